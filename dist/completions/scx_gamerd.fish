# SPDX-License-Identifier: GPL-2.0-only
# Completes the command line of scx_gamerd in fish, from what the program's own --help lists: an option
# whose value is called FILE takes the name of a file, and other values can't be guessed.

function __scx_gamerd_complete
    # An administrator's program: an ordinary user, before sudo, may not have its directory in PATH.
    set -lx PATH $PATH /usr/local/sbin /usr/sbin /sbin

    complete -c scx_gamerd -e
    complete -c scx_gamerd -f
    for line in (scx_gamerd --help 2>/dev/null)
        set -l part (string match -r '^  (-[A-Za-z], |)--([a-z-]+)( [A-Z]+|)  +(.*)$' -- $line)
        or continue
        set -l -- option -l $part[3] -d $part[5]
        test -z "$part[2]"; or set -a -- option -s (string sub -s 2 -l 1 -- $part[2])
        switch $part[4]
            case ' FILE'
                set -a -- option -r -F
            case ' *'
                set -a -- option -x
        end
        complete -c scx_gamerd $option
    end
end
__scx_gamerd_complete
functions -e __scx_gamerd_complete
