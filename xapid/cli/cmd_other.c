/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xe's other commands: networks and interfaces, tasks, waiting for something to happen, and
 * help.
 */
#include "core.gen.h"
#include "xapid/cli/cli.h"

#include <string.h>

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

/* ---- networks ---- */

static MAY_WAIT struct err *network_create(struct cli *c)
{
	const char *network, *mtu_text = cli_arg(c, "MTU");
	int64_t mtu = 1500;

	if (mtu_text)
		TRY(cli_size("MTU", mtu_text, &mtu));
	json_t *record = json_pack("{s:s, s:s, s:I, s:O, s:s, s:b, s:[]}", "name_label",
		cli_arg(c, "name-label"), "name_description",
		or_empty(cli_arg(c, "name-description")), "MTU", (json_int_t)mtu, "other_config",
		cli_arg_map(c, "other-config"), "bridge", or_empty(cli_arg(c, "bridge")), "managed",
		!cli_arg(c, "managed") || cli_switch(c, "managed"), "tags");
	TRY(cli_call_long(c, "network.create", json_pack("[o]", record), &network));
	return cli_print_uuid(c, "network", network);
}

static MAY_WAIT struct err *vif_create(struct cli *c)
{
	const char *vm, *network, *vif, *mac = cli_arg(c, "mac"), *mtu_text = cli_arg(c, "mtu");
	int64_t mtu = 1500;

	if (mtu_text)
		TRY(cli_size("mtu", mtu_text, &mtu));
	TRY(cli_arg_object(c, "VM", "vm-uuid", &vm));
	TRY(cli_arg_object(c, "network", "network-uuid", &network));
	json_t *record = json_pack("{s:s, s:s, s:s, s:s, s:I, s:O, s:s, s:{}}", "VM", vm, "network",
		network, "device", cli_arg(c, "device"), "MAC",
		mac && strcmp(mac, "random") != 0 ? mac : "", "MTU", (json_int_t)mtu,
		"other_config", cli_arg_map(c, "other-config"), "qos_algorithm_type", "",
		"qos_algorithm_params");
	TRY(cli_call_long(c, "VIF.create", json_pack("[o]", record), &vif));
	return cli_print_uuid(c, "VIF", vif);
}

static MAY_WAIT struct err *vif_unplug(struct cli *c)
{
	const char *vif;

	TRY(cli_arg_object(c, "VIF", "uuid", &vif));
	return cli_call_long(c, cli_switch(c, "force") ? "VIF.unplug_force" : "VIF.unplug",
		json_pack("[s]", vif), NULL);
}

/* ---- waiting ---- */

/* Whether the event tells of an object that the arguments mean. */
static MAY_WAIT struct err *is_awaited(
	struct cli *c, const struct cli_class *k, const json_t *event, bool *out)
{
	json_t *record = json_object_get(event, "snapshot");

	*out = record;
	vec_for_each (i, &c->args) {
		const char *key = c->args.v[i].key, *value = c->args.v[i].value, *shown;
		bool is_negated = *value == '/' || key[strlen(key) - 1] == '/';

		if (!strcmp(key, "class") || !*out)
			continue;
		/* "power-state=/=running": anything but running */
		if (!strncmp(value, "/=", 2))
			value += 2;
		const struct cli_field *f =
			cli_field_named(k, arena_strndup(c->arena, key, strcspn(key, "/")));
		if (!f)
			return cli_error("Unknown field '%s'", key);
		TRY(cli_value(c, k, cli_string(event, "ref"), record, f, true, &shown));
		*out = !strcmp(shown, value) != is_negated;
	}
	return NULL;
}

static MAY_WAIT struct err *event_wait(struct cli *c)
{
	const struct cli_class *k = cli_class_named(cli_arg(c, "class"));
	const char *token = "";

	if (!k)
		return cli_error("Unknown class '%s'", cli_arg(c, "class"));
	for (;;) {
		json_t *batch = NULL, *events;

		TRY(cli_call(c, "event.from", json_pack("[[s], s, f]", k->class->name, token, 60.0),
			&batch));
		token = cli_string(batch, "token");
		events = json_object_get(batch, "events");
		json_object_clear(c->objects); /* what others refer to has changed too */
		for (size_t i = 0; i < json_array_size(events); i++) {
			bool is_match = false;

			TRY(is_awaited(c, k, json_array_get(events, i), &is_match));
			if (is_match)
				return NULL;
		}
	}
}

/* ---- help ---- */

/* "a b c" with commas. */
static const char *with_commas(struct cli *c, const char *words)
{
	auto_sbuf text = {0};

	for (; *words; words++)
		if (*words == ' ')
			sbuf_adds(&text, ", ");
		else
			sbuf_addc(&text, *words);
	return arena_strdup(c->arena, sbuf_str(&text));
}

static void help_on(struct cli *c, const char *name)
{
	const struct cli_command *command = cli_command_named(name);
	const char *verb;

	if (command) {
		cli_printf(c,
			"command name            : %s\n        reqd params     : %s\n"
			"        optional params : %s\n        description     : %s\n\n",
			name, with_commas(c, command->required), with_commas(c, command->optional),
			command->doc);
		return;
	}
	if (cli_class_of_command(name, &verb))
		cli_printf(c,
			"command name            : %s\n        description     : what every "
			"class has; see 'xe help'\n\n",
			name);
	else
		cli_printf(c, "Unknown command '%s'", name);
}

struct names {
	vec_of(const char *) v;
};

static void add_name(const struct cli_command *command, void *arg)
{
	struct names *names = arg;

	vec_push(&names->v, command->name);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void help_on_all(struct cli *c)
{
	static const char *const verbs[] = {"list", "param-list", "param-get", "param-set",
		"param-add", "param-remove", "param-clear"};
	struct names names = {0};
	auto_sbuf text = {0};

	cli_each_command(add_name, &names);
	for (size_t i = 0; i < n_cli_classes; i++)
		for (size_t v = 0; v < ARRAY_LEN(verbs); v++)
			vec_push(&names.v,
				arena_printf(c->arena, "%s-%s", cli_classes[i].name, verbs[v]));
	qsort(names.v.v, names.v.n, sizeof(*names.v.v), by_name);
	if (c->is_minimal) {
		cli_print_minimal(c, names.v.v, names.v.n);
	} else {
		vec_for_each (i, &names.v)
			sbuf_printf(&text, "%s%s", i ? ", " : "", names.v.v[i]);
		cli_printf(c,
			"Usage: xe <command> [-s server] [-pw passwd] [-p port] [-u user] "
			"[-pwf password-file] [command specific arguments]\n\n"
			"To get help on a command: xe help <command>\n\nCommands:\n\n%s\n",
			sbuf_str(&text));
	}
	vec_fini(&names.v);
}

static MAY_WAIT struct err *help(struct cli *c)
{
	if (!c->args.n || cli_switch(c, "all")) {
		help_on_all(c);
		return NULL;
	}
	vec_for_each (i, &c->args)
		help_on(c, c->args.v[i].key);
	return NULL;
}

const struct cli_command cli_other_commands[] = {
	{"network-create", "name-label", "name-description MTU bridge managed other-config:",
		network_create, .doc = "Make a network of this pool's own."},
	{"network-destroy", "uuid", "", .message = "network.destroy", .doc = "Destroy a network."},
	{"vif-create", "vm-uuid network-uuid device", "mac mtu other-config:", vif_create,
		.doc = "Give a VM an interface on a network."},
	{"vif-destroy", "uuid", "", .message = "VIF.destroy",
		.doc = "Take an interface from its VM."},
	{"vif-plug", "uuid", "", .message = "VIF.plug",
		.doc = "Attach an interface to its running VM."},
	{"vif-move", "uuid network-uuid", "", .message = "VIF.move", .args = "uuid network-uuid",
		.doc = "Move an interface to another network."},
	{"vif-unplug", "uuid", "force", vif_unplug,
		.doc = "Detach an interface from its running VM."},
	{"pif-plug", "uuid", "", .message = "PIF.plug",
		.doc = "Bring an interface of the host up."},
	{"pif-unplug", "uuid", "", .message = "PIF.unplug",
		.doc = "Take an interface of the host down."},
	{"pif-reconfigure-ip", "uuid mode", "IP netmask gateway DNS",
		.message = "PIF.reconfigure_ip", .args = "uuid mode IP netmask gateway DNS",
		.doc = "Change how an interface of the host gets its address."},
	{"network-attach", "uuid host-uuid", "", .message = "network.attach",
		.args = "uuid host-uuid", .doc = "Make a network there on a host."},
	{"secret-create", "value", "other-config:", .message = "secret.create",
		.args = "value other-config:", .doc = "Keep a secret."},
	{"secret-destroy", "uuid", "", .message = "secret.destroy", .doc = "Forget a secret."},
	{"message-destroy", "uuid", "", .message = "message.destroy",
		.doc = "Forget a message to the administrator."},
	{"session-subject-identifier-list", "", "",
		.message = "session.get_all_subject_identifiers", .args = "",
		.doc = "List who of the directory's users is logged in."},
	{"session-subject-identifier-logout", "subject-identifier", "",
		.message = "session.logout_subject_identifier", .args = "subject-identifier",
		.doc = "End all sessions of a user of the directory."},
	{"sdn-controller-introduce", "", "address protocol tcp-port",
		.message = "SDN_controller.introduce", .args = "protocol=ssl address tcp-port=0",
		.doc = "Say where the controller of the pool's networks is."},
	{"sdn-controller-forget", "uuid", "", .message = "SDN_controller.forget",
		.doc = "Forget the controller of the pool's networks."},
	{"pusb-scan", "host-uuid", "", .message = "PUSB.scan", .args = "host-uuid",
		.doc = "Look at a host's USB devices anew."},
	{"vusb-create", "usb-group-uuid vm-uuid", "other-config:", .message = "VUSB.create",
		.args = "vm-uuid usb-group-uuid other-config:", .doc = "Give a VM a USB device."},
	{"vusb-unplug", "uuid", "", .message = "VUSB.unplug",
		.doc = "Detach a USB device from its VM."},
	{"vusb-destroy", "uuid", "", .message = "VUSB.destroy",
		.doc = "Take a USB device from its VM."},
	{"task-cancel", "uuid", "", .message = "task.cancel", .doc = "Cancel what is under way."},
	{"event-wait", "class", "<any field>", event_wait,
		.doc = "Wait until there is an object that has all the values given; /= before a "
		       "value: until it has another one."},
	{"help", "", "<command>", help, .doc = "Tell of the commands."},
};
const size_t n_cli_other_commands = ARRAY_LEN(cli_other_commands);
