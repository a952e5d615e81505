/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How many instructions the verifier walked through for each BPF program that is loaded now: lines
 * "NAME COUNT". The kernel cuts names to 15 characters; the whole one is in the program's BTF.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

/* A program's main function is the first one of its list. */
static int program_print(int fd)
{
	struct bpf_func_info function = {0};
	struct bpf_prog_info info = {
		.nr_func_info = 1,
		.func_info_rec_size = sizeof(function),
		.func_info = (uintptr_t)&function,
	};
	uint32_t size = sizeof(info);
	const char *name = info.name;
	struct btf *btf;
	int ret;

	ret = bpf_obj_get_info_by_fd(fd, &info, &size);
	if (ret)
		return ret;
	btf = btf__load_from_kernel_by_id(info.btf_id);
	if (btf && info.nr_func_info)
		name = btf__name_by_offset(btf, btf__type_by_id(btf, function.type_id)->name_off);
	printf("%s %u\n", name, info.verified_insns);
	btf__free(btf);
	return 0;
}

int main(void)
{
	uint32_t id = 0;
	int fd, ret = 0;

	while (!ret && !bpf_prog_get_next_id(id, &id)) {
		fd = bpf_prog_get_fd_by_id(id);
		if (fd < 0 && errno == ENOENT) /* gone meanwhile */
			continue;
		ret = fd < 0 ? fd : program_print(fd);
		close(fd);
	}
	if (ret)
		fprintf(stderr, "verified_insns: program %u: %s\n", id, strerror(errno));
	return ret ? 1 : 0;
}
