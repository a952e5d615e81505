/* SPDX-License-Identifier: GPL-2.0-only */
#include "loader/internal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/btf.h>

#include "bpf/abi/preempt.h"

bool layout_has_btf(void)
{
	return access("/sys/kernel/btf/vmlinux", R_OK) == 0;
}

/* How many arguments a function takes that BPF programs may call; -1 if there is none. */
static int function_args(const struct btf *btf, const char *name)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_FUNC);

	return id < 0 ? -1
		      : btf_vlen(btf__type_by_id(btf, btf__type_by_id(btf, (uint32_t)id)->type));
}

int64_t layout_member_offset(const struct btf *btf, const struct btf_type *type, const char *name)
{
	const struct btf_member *members = btf_members(type);

	for (unsigned int i = 0; i < btf_vlen(type); i++) {
		const char *member = btf__name_by_offset(btf, members[i].name_off);
		int64_t offset = btf_member_bit_offset(type, i) / 8, inner;
		const struct btf_type *inner_type;

		if (member && !strcmp(member, name))
			return offset;
		if (member && member[0])
			continue;
		inner_type = btf__type_by_id(btf, members[i].type);
		if (!btf_is_composite(inner_type))
			continue;
		inner = layout_member_offset(btf, inner_type, name);
		if (inner >= 0)
			return offset + inner;
	}
	return -1;
}

/* Offset of a per-CPU variable in its section, -1 if it is in none. Sections come last. */
static int64_t variable_offset(const struct btf *btf, const char *name, const struct btf_type **var)
{
	for (unsigned int id = btf__type_cnt(btf) - 1; id > 0; id--) {
		const struct btf_type *section = btf__type_by_id(btf, id);
		const struct btf_var_secinfo *info;

		if (!btf_is_datasec(section))
			continue;
		info = btf_var_secinfos(section);
		for (unsigned int i = 0; i < btf_vlen(section); i++) {
			const struct btf_type *type = btf__type_by_id(btf, info[i].type);

			if (strcmp(btf__name_by_offset(btf, type->name_off), name) != 0)
				continue;
			*var = type;
			return info[i].offset;
		}
	}
	return -1;
}

static int64_t preempt_count_offset(const struct btf *btf)
{
	const struct btf_type *var;
	int64_t offset = variable_offset(btf, "__preempt_count", &var), member;

	if (offset >= 0)
		return offset;
	offset = variable_offset(btf, "pcpu_hot", &var);
	if (offset < 0)
		return -1;
	var = btf__type_by_id(btf, var->type);
	if (!btf_is_composite(var))
		return -1;
	member = layout_member_offset(btf, var, "preempt_count");
	return member < 0 ? -1 : offset + member;
}

static int64_t preempt_count_from_rq(const struct btf *btf)
{
	const struct btf_type *var;
	int64_t queue = variable_offset(btf, "runqueues", &var), count = preempt_count_offset(btf);

	return queue >= 0 && count >= 0 ? count - queue : 0;
}

/* The variable came with the second layout of the count. */
static uint32_t preempt_in_interrupt(const struct btf *btf)
{
	const struct btf_type *var;

	return variable_offset(btf, "local_interrupt_disable_state", &var) < 0
		       ? PREEMPT_IN_INTERRUPT_5_1
		       : PREEMPT_IN_INTERRUPT_7_3;
}

void layout_read(struct layout *out)
{
	struct btf *btf = btf__load_vmlinux_btf();

	*out = (struct layout){.preempt_in_interrupt = PREEMPT_IN_INTERRUPT_5_1,
			       .reenqueue_args = -1};
	if (!btf)
		return;
	out->preempt_count_from_rq = preempt_count_from_rq(btf);
	out->preempt_in_interrupt = preempt_in_interrupt(btf);
	out->reenqueue_args = function_args(btf, "scx_bpf_reenqueue_local___v2");
	btf__free(btf);
}

/* Does the last argument lie there for the verifier to fill in? */
static bool has_implicit_argument(const struct btf *btf, const struct btf_type *function)
{
	const struct btf_type *proto = btf__type_by_id(btf, function->type);
	const struct btf_param *params = btf_params(proto);
	unsigned int count = btf_vlen(proto);

	return count && !strcmp(btf__name_by_offset(btf, params[count - 1].name_off), "aux");
}

/*
 * From 7.1 on many functions take a last argument that the verifier fills in. Their BTF has two
 * entries then, made when the kernel is built: NAME, without that argument, for programs, and
 * NAME_impl. A tool that is too old (pahole before 1.26), or that misses some of them, leaves one
 * entry NAME, which has the argument. libbpf finds that it is not the function that is meant; and
 * if one means this, the verifier still asks for NAME_impl. Debian's 7.1.13 is such a kernel.
 */
unsigned int layout_uncallable_in(const struct btf *btf, char *name, size_t size)
{
	unsigned int count = 0, types = btf__type_cnt(btf);
	char impl[128];

	name[0] = '\0';
	for (unsigned int id = 1; id < types; id++) {
		const struct btf_type *type = btf__type_by_id(btf, id);
		const char *this;

		if (!btf_is_func(type))
			continue;
		this = btf__name_by_offset(btf, type->name_off);
		if (strncmp(this, "scx_bpf_", 8) || strstr(this, "_impl") ||
		    !has_implicit_argument(btf, type))
			continue;
		snprintf(impl, sizeof(impl), "%s_impl", this);
		if (btf__find_by_name_kind(btf, impl, BTF_KIND_FUNC) > 0)
			continue;
		if (!count++)
			snprintf(name, size, "%s", this);
	}
	return count;
}

unsigned int layout_uncallable(char *name, size_t size)
{
	struct btf *btf = btf__load_vmlinux_btf();
	unsigned int count = 0;

	name[0] = '\0';
	if (btf)
		count = layout_uncallable_in(btf, name, size);
	btf__free(btf);
	return count;
}
