/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What documents say of the settings is what the table says: the man page's list, and the example
 * with all defaults. GAMERD_UPDATE_GOLDEN=1 writes both.
 */
#include <errno.h>
#include <jansson.h>
#include <pwd.h>

#include "config/config_table.h"
#include "model/names.h"
#include "unit/golden.h"

#define MAN_PAGE TEST_DATA_DIR "/../../docs/scx_gamerd.8"
#define EXAMPLE TEST_DATA_DIR "/../../docs/scx_gamerd.json.example"

/* The list stands between these. */
#define LIST_BEGIN ".\\\" The settings, as src/config/config_table.c has them.\n"
#define LIST_END ".SH FILES\n"

/* Plain text for groff, where '-' is a hyphen. */
static void put_roff(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '-')
			fputs("\\-", out);
		else if (*text == '"')
			fputs("\\(dq", out);
		else
			fputc(*text, out);
	}
}

static void put_setting(FILE *out, const struct setting *s)
{
	char range[CONFIG_TABLE_TEXT], value[CONFIG_TABLE_TEXT];

	config_table_range(s, range);
	config_table_default(s, value);
	fprintf(out, ".TP\n.BR %s \" (%s", s->key,
		strcmp(config_table_type(s), "array") == 0 ? "array " : "");
	put_roff(out, range);
	fputs("; ", out);
	put_roff(out, value);
	fprintf(out, ")%s\"\n", s->is_live ? ", live" : "");
	put_roff(out, s->help);
	if (s->more) {
		fputs(";\n", out);
		put_roff(out, s->more);
	}
	fputc('\n', out);
}

static void man_page_has_the_table(void **state)
{
	char *page = golden_read(MAN_PAGE), *text = NULL, *begin, *end;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(page);
	assert_non_null(out);
	begin = strstr(page, LIST_BEGIN);
	assert_non_null(begin);
	begin += strlen(LIST_BEGIN);
	end = strstr(begin, LIST_END);
	assert_non_null(end);
	fwrite(page, 1, (size_t)(begin - page), out);
	for (size_t i = 0; i < config_table_size; i++)
		put_setting(out, &config_table[i]);
	fputs(end, out);
	assert_int_equal(fclose(out), 0);
	golden_check(MAN_PAGE, text);
	free(text);
	free(page);
}

/* The default in JSON; a list is not here but below. */
static json_t *default_of(const struct setting *s)
{
	switch (s->type) {
	case SETTING_PATH:
	case SETTING_USER:
		return json_string(s->text);
	case SETTING_NAME:
		return json_string(s->names[s->value]);
	case SETTING_GROUP:
		return json_string("");
	case SETTING_BOOL:
		return json_boolean(s->value);
	default:
		return json_integer(s->value);
	}
}

static void put_servers(FILE *out, const struct config *config)
{
	fputs("[", out);
	for (unsigned int i = 0; i < config->server_count; i++) {
		const struct config_server *server = &config->servers[i];

		fprintf(out, "%s\n\t\t{ \"name\": \"%s\", ", i ? "," : "", server->name);
		if (server->exe[0])
			fprintf(out, "\"exe\": \"%s\", ", server->exe);
		fprintf(out, "\"role\": \"%s\" }", names_role(server->role));
	}
	fputs("\n\t]", out);
}

static void put_default(FILE *out, const struct config *config, const struct setting *s)
{
	char *text;
	json_t *value;

	if (s->type == SETTING_SERVERS) {
		put_servers(out, config);
	} else if (s->type == SETTING_EXTRA) {
		fputs("[]", out);
	} else {
		value = default_of(s);
		text = json_dumps(value, JSON_ENCODE_ANY);
		assert_non_null(text);
		fputs(text, out);
		free(text);
		json_decref(value);
	}
}

static void example_has_the_defaults(void **state)
{
	struct config config;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	config_init(&config);
	for (size_t i = 0; i < config_table_size; i++) {
		fprintf(out, "%s\n\t\"%s\": ", i ? "," : "{", config_table[i].key);
		put_default(out, &config, &config_table[i]);
	}
	fputs("\n}\n", out);
	assert_int_equal(fclose(out), 0);
	golden_check(EXAMPLE, text);
	free(text);
}

/* Its text, without the user where the machine has none of that name: such a file is refused. */
static char *example_for_this_machine(void)
{
	json_t *root = json_load_file(EXAMPLE, 0, NULL);
	char *text;

	assert_non_null(root);
	if (!getpwnam(json_string_value(json_object_get(root, "user"))))
		json_object_del(root, "user");
	text = json_dumps(root, 0);
	assert_non_null(text);
	json_decref(root);
	return text;
}

static void example_is_accepted_and_changes_nothing(void **state)
{
	char *text = example_for_this_machine(), restart[CONFIG_KEYS_MAX];
	struct config config, defaults;
	struct error err;

	config_init(&config);
	config_init(&defaults);
	assert_int_equal(config_parse(&config, text, strlen(text), "example", &err), 0);
	config.user.is_required = false; /* the one thing that a name in the file adds */
	config_change(&defaults, &config, restart, sizeof(restart));
	assert_string_equal(restart, "");
	config_init(&defaults);
	assert_memory_equal(&config, &defaults, sizeof(config));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(man_page_has_the_table),
		cmocka_unit_test(example_has_the_defaults),
		cmocka_unit_test(example_is_accepted_and_changes_nothing),
	};

	return cmocka_run_group_tests_name("settings in documents", tests, NULL, NULL);
}
