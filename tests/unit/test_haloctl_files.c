// SPDX-License-Identifier: GPL-2.0-or-later
/* The commands of haloctl that need no daemon: keys and configurations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char haloctl[4096];
static char folder[64];
static char output[16384];

/* Runs haloctl with words, in which %s is the folder; its exit code. */
static int run(const char *words)
{
	char *with_folder, *command;
	FILE *pipe;
	size_t n;
	int status;

	assert_true(asprintf(&with_folder, words, folder, folder) > 0);
	assert_true(asprintf(&command, "'%s' %s 2>&1", haloctl, with_folder) >
		    0);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	n = fread(output, 1, sizeof(output) - 1, pipe);
	output[n] = 0;
	status = pclose(pipe);
	free(command);
	free(with_folder);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool said(const char *text)
{
	if (strstr(output, text))
		return true;
	print_message("%s", output);
	return false;
}

static void write_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int setup(void **state)
{
	strcpy(folder, "/tmp/halo-files-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

static void a_key_is_made_listed_and_revoked(void **state)
{
	char path[128];
	struct stat st;

	assert_int_equal(run("key new web-1 --keys %s/keys"), 0);
	assert_true(said("/keys/web-1\n"));
	snprintf(path, sizeof(path), "%s/keys/web-1", folder);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(run("key new 'app-*' --keys %s/keys"), 0);
	assert_int_equal(run("-j key list --keys %s/keys"), 0);
	assert_true(said("{\"schema\":1,\"keys\":[{\"name\":"));
	assert_true(said("\"name\":\"web-1\""));
	assert_true(said("\"name\":\"app-*\""));
	assert_int_equal(run("key rm web-1 --keys %s/keys"), 0);
	assert_int_equal(run("key list --keys %s/keys"), 0);
	assert_null(strstr(output, "web-1"));
}

static void a_key_is_not_overwritten(void **state)
{
	assert_int_equal(run("key new web-1 --keys %s/keys"), 0);
	assert_int_equal(run("key new web-1 --keys %s/keys"), 1);
	assert_true(said("there is one of this name"));
}

static void a_key_that_is_not_there_is_not_found(void **state)
{
	assert_int_equal(run("key rm web-1 --keys %s"), 4);
}

static void the_configuration_says_where_keys_are(void **state)
{
	char text[400];

	snprintf(text, sizeof(text),
		 "routes = 24;\nvirtual-address = [ \"198.18.0.100\" ];\n"
		 "services = ( { name = \"browser\"; listen = 8001; } );\n"
		 "agents = { listen = \"198.19.0.1:7460\"; keys = \"%s/k\"; "
		 "};\n",
		 folder);
	write_file("halod.conf", text);
	assert_int_equal(run("config check %s/halod.conf"), 0);
	assert_true(said("good"));
	assert_int_equal(run("key new web-1 --config %s/halod.conf"), 0);
	assert_int_equal(run("key list --keys %s/k"), 0);
	assert_true(said("web-1"));
}

static void all_errors_of_a_configuration_are_told(void **state)
{
	write_file("halod.conf", "routes = 0;\nreserv = 1;\nplane = \"x\";\n");
	assert_int_equal(run("config check %s/halod.conf"), 1);
	assert_true(said("halod.conf:1: error: "));
	assert_true(said("halod.conf:2: error: "));
	assert_true(said("halod.conf:3: error: "));
	assert_int_equal(run("-j config check %s/halod.conf"), 1);
	assert_true(said("\"good\":false"));
	assert_true(said("\"line\":2,\"level\":\"error\""));
}

static void output_that_cannot_be_written_is_a_failure(void **state)
{
	assert_int_equal(run("--version >/dev/full"), 1);
	assert_int_equal(run("help >/dev/full"), 1);
}

static void a_file_that_is_no_sound_table_is_not_loaded(void **state)
{
	static const struct {
		const char *title, *text, *says;
	} rows[] = {
		{ "half a table", "{\n\"schema\":1,\n", "line 3" },
		{ "a member twice", "{\"schema\":1,\n\"schema\":1}",
		  "line 2: duplicate" },
		{ "no table", "{\"schema\":1}", "no dump of a table" },
		{ "a list", "[1]", "no dump of a table" },
		{ "a newer schema", "{\"kind\":\"halod-table\",\"schema\":9}",
		  "another schema" },
		{ "no checksum", "{\"kind\":\"halod-table\",\"schema\":1}",
		  "checksum is missing" },
		{ "a wrong checksum",
		  "{\"kind\":\"halod-table\",\"schema\":1,"
		  "\"checksum\":\"sha256:00\"}",
		  "checksum is wrong" },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s\n", rows[i].title);
		write_file("table.json", rows[i].text);
		assert_int_equal(run("-s %s/sock table load %s/table.json"), 1);
		assert_true(said("cannot load the table in"));
		assert_true(said(rows[i].says));
	}
	/* the daemon is asked when the file is sound, in any order of members
	 */
	write_file("table.json", "{\"schema\":1,\"checksum\":\"sha256:"
				 "001b40b5065c6f5046bc592d80283e7cad023181fe10e"
				 "37f18e341b5993c0e2d\",\n"
				 "\"kind\":\"halod-table\"}");
	assert_int_equal(run("-s %s/sock table load %s/table.json"), 3);
}

static void a_report_without_a_daemon_says_so_and_has_no_keys(void **state)
{
	char path[128], text[1 << 16];
	struct stat st;
	FILE *in;
	size_t n;

	assert_int_equal(run("key new web-1 --keys %s/keys"), 0);
	write_file("halod.conf", "routes = 24;\ncolour = 1;\n");
	assert_int_equal(run("-s %s/none report %s/report.txt --config "
			     "/etc/halod/halod.conf.none"),
			 0);
	assert_true(said("halod did not answer"));
	assert_int_equal(run("-s %s/none report %s/report.txt"), 1);
	assert_true(said("File exists"));
	snprintf(path, sizeof(path), "%s/report.txt", folder);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	in = fopen(path, "r");
	n = fread(text, 1, sizeof(text) - 1, in);
	fclose(in);
	text[n] = 0;
	assert_non_null(strstr(text, "cannot reach halod"));
	assert_non_null(strstr(text, "ip_forward = "));
	assert_non_null(strstr(text, "halod.conf.none: No such file"));
	assert_non_null(strstr(text, "==== history on disk"));
	snprintf(path, sizeof(path), "%s/keys/web-1", folder);
	in = fopen(path, "r");
	assert_true(fgets(path, sizeof(path), in) != NULL);
	fclose(in);
	path[strcspn(path, "\n")] = 0;
	assert_null(strstr(text, path));
}

static void every_command_can_be_completed_and_is_in_the_manual(void **state)
{
	static const char script[] =
		"h='%s'; missing=0; man=doc/haloctl.8.scd;"
		" . tools/completion/haloctl.bash; haloctl() { :; };"
		"complete_words() { COMP_WORDS=(\"$@\");"
		" COMP_CWORD=$(($# - 1)); COMPREPLY=(); _haloctl; };"
		"has() { printf '%%s\\n' \"${COMPREPLY[@]}\" |"
		" grep -qxF -- \"$1\" ||"
		" { echo \"no completion: $2\"; missing=1; }; };"
		"while read -r object verb args; do"
		"  words=(haloctl \"$object\");"
		"  complete_words haloctl ''; has \"$object\" \"$object\";"
		"  if [[ $verb =~ ^[a-z]+$ ]]; then"
		"    complete_words haloctl \"$object\" '';"
		"    has \"$verb\" \"$object $verb\"; words+=(\"$verb\");"
		"    name=\"$object $verb\"; else name=$object; fi;"
		"  grep -q \"^\\*$name\\*\" $man ||"
		"    { echo \"not in the manual: $name\"; missing=1; };"
		"  for option in $(grep -oE -- '--[a-z-]+' <<<\"$verb $args\");"
		"  do complete_words \"${words[@]}\" --;"
		"    has \"$option\" \"$name $option\"; done;"
		"done < <(for o in $(\"$h\" help | sed -n 's/^  \\([a-z]*\\) "
		".*/\\1/p'"
		" | sort -u); do \"$h\" $o help | sed -n 's/^haloctl //p'; "
		"done);"
		"exit $missing";
	char *command;
	FILE *bash = popen("bash", "w");
	int status;

	assert_non_null(bash);
	assert_true(asprintf(&command, script, haloctl) > 0);
	fputs(command, bash);
	status = pclose(bash);
	free(command);
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void every_command_exits_as_the_manual_says(void **state)
{
	static const char script[] =
		"h='%s'; wrong=0;"
		"expect() { local code=$1 is; shift;"
		" out=$(\"$h\" -j -s /nonexistent/sock \"$@\" 2>/dev/null "
		"</dev/null);"
		" is=$?; [ $is -eq $code ] || { echo \"$*: exit $is, not "
		"$code\";"
		" wrong=1; };"
		" [[ $out == '{\"schema\":1,\"error\":{\"code\":\"'* ]]"
		" || { echo \"$*: no error in JSON\"; wrong=1; }; };"
		"while read -r object verb rest; do words=($object);"
		"  [[ $verb =~ ^[a-z]+$ ]] && words+=($verb) || rest=\"$verb "
		"$rest\";"
		"  expect 2 \"${words[@]}\" --nonsense;"
		"  expect 2 \"${words[@]}\" a b c d;"
		"  case $object in key | config | simulate | report) continue "
		";; esac;"
		"  [[ $object != table || $verb != load ]] || continue;"
		"  operands=(); for w in $rest; do"
		"    [[ $w =~ ^[A-Z] ]] && operands+=(1); done;"
		"  expect 3 \"${words[@]}\" \"${operands[@]}\";"
		"done < <(for o in $(\"$h\" help | sed -n 's/^  \\([a-z]*\\) "
		".*/\\1/p'"
		" | sort -u); do \"$h\" $o help | sed -n 's/^haloctl //p' |"
		" sed 's/ \\[.*//'; done);"
		"exit $wrong";
	char *command;
	FILE *bash = popen("bash", "w");
	int status;

	assert_non_null(bash);
	assert_true(asprintf(&command, script, haloctl) > 0);
	fputs(command, bash);
	status = pclose(bash);
	free(command);
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void the_version_is_told(void **state)
{
	assert_int_equal(run("--version"), 0);
	assert_true(said("haloctl "));
	assert_int_equal(run("-V"), 0);
}

/* build/tests/unit/test_x → build/haloctl */
static void find_haloctl(void)
{
	ssize_t n = readlink("/proc/self/exe", haloctl, sizeof(haloctl) - 16);

	haloctl[n > 0 ? n : 0] = 0;
	for (unsigned i = 0; i < 3 && strrchr(haloctl, '/'); i++)
		*strrchr(haloctl, '/') = 0;
	strcat(haloctl, "/haloctl");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_key_is_made_listed_and_revoked),
		T(a_key_is_not_overwritten),
		T(a_key_that_is_not_there_is_not_found),
		T(the_configuration_says_where_keys_are),
		T(all_errors_of_a_configuration_are_told),
		T(output_that_cannot_be_written_is_a_failure),
		T(a_file_that_is_no_sound_table_is_not_loaded),
		T(a_report_without_a_daemon_says_so_and_has_no_keys),
		T(every_command_can_be_completed_and_is_in_the_manual),
		T(every_command_exits_as_the_manual_says),
		T(the_version_is_told),
	};

	find_haloctl();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
