// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ends the guest with an exit status, by QEMU's isa-debug-exit: QEMU exits with
 * status << 1 | 1.
 */
#include <stdlib.h>
#include <sys/io.h>
#include <termios.h>
#include <unistd.h>

#define DEBUG_EXIT_PORT 0xf4

int main(int argc, char **argv)
{
	if (argc != 2 || iopl(3))
		return 1;
	tcdrain(STDOUT_FILENO);
	sync();
	outb((unsigned char)atoi(argv[1]), DEBUG_EXIT_PORT);
	return 1;
}
