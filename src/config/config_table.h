/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Config table: all settings, a row each. Internal to config.
 *
 * Threads:  any; nothing changes.
 * Limits:   CONFIG_TABLE_TEXT bytes for a range or a default in words.
 *
 * From it come the defaults, the checks of a file and their errors, what a reload may change,
 * --help-config, and, by tests/unit/config/test_config_doc.c, the man page's list and
 * docs/scx_gamerd.json.example.
 */
#ifndef CONFIG_CONFIG_TABLE_H
#define CONFIG_CONFIG_TABLE_H

#include "config/config.h"

#define CONFIG_TABLE_TEXT 48

enum setting_type {
	SETTING_PATH,	 /* absolute; "" where that means "none" */
	SETTING_NAME,	 /* an enum, which is as wide as uint32_t, by one of its names */
	SETTING_GROUP,	 /* uint32_t, by the group's name; "" for none */
	SETTING_USER,	 /* struct privilege_user; "" for none */
	SETTING_BOOL,	 /* true or false */
	SETTING_NUMBER,	 /* uint32_t in a range */
	SETTING_SIZE,	 /* the same, a power of two and at least a page */
	SETTING_SERVERS, /* a list in place of the built-in one */
	SETTING_EXTRA,	 /* entries added to the list */
};

struct setting {
	const char *key;
	enum setting_type type;
	bool is_live;		  /* may change while the daemon runs */
	size_t offset, size;	  /* of the field in struct config */
	uint32_t min, max;	  /* of a number */
	uint32_t value;		  /* default of a number, bool or enum */
	const char *const *names; /* of an enum, by value; NULL ends */
	const char *text;	  /* default of a path or user */
	bool is_optional;	  /* the path may be "" */
	const char *help;	  /* what it is, in a line */
	const char *more;	  /* what the man page adds to that; NULL: nothing */
};

/* In the order in which they are applied: the list of servers before what is added to it. */
extern const struct setting config_table[];
extern const size_t config_table_size;

/* The least value of a number; of a SETTING_SIZE it depends on the machine's pages. */
uint32_t config_table_min(const struct setting *s);

/* The type as JSON calls it; range and default in words. */
const char *config_table_type(const struct setting *s);
void config_table_range(const struct setting *s, char out[CONFIG_TABLE_TEXT]);
void config_table_default(const struct setting *s, char out[CONFIG_TABLE_TEXT]);

#endif
