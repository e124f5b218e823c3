// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/nft_probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/conntrack.h"
#include "io/nft_text.h"

#define BEGIN "table inet " NFT_PROBE_TABLE " {\n"
#define END   "}\ndelete table inet " NFT_PROBE_TABLE "\n"

bool nft_probe_statement(const char *statement)
{
	char text[256], ignored[128];

	snprintf(text, sizeof(text), BEGIN "chain c {\n%s\n}\n" END, statement);
	return !nft_text_run(text, ignored, sizeof(ignored));
}

/* What the nft plane's table is made of; its maps are empty. */
static const char nat[] = BEGIN
	"map doors { type inet_proto . ipv4_addr . inet_service : verdict;"
	" size 16; }\n"
	"map address { type mark : ipv4_addr; }\n"
	"set alive { type inet_proto; flags timeout; }\n"
	"chain guard {\n"
	"type filter hook prerouting priority -120; policy accept;\n"
	"ct status dnat accept\n"
	"fib daddr type local accept\n}\n"
	"chain nat {\n"
	"type nat hook prerouting priority -101; policy accept;\n"
	"meta l4proto . ip daddr . th dport vmap @doors\n"
	"dnat ip to ct mark & 0xffff0000 map @address\n}\n"
	"chain seat { ct mark set ct mark and 0xffff or 0x10000; }\n"
	"chain refuse {\n"
	"meta l4proto @alive meta l4proto tcp reject with tcp reset\n}\n" END;

int nft_probe_nat(char *why, unsigned why_size)
{
	int err;

	if (getenv("HALO_FORCE_NO_NAT")) {
		snprintf(why, why_size, "switched off by HALO_FORCE_NO_NAT");
		return -EOPNOTSUPP;
	}
	err = nft_text_run(nat, why, why_size);
	if (err)
		return err;
	err = conntrack_probe();
	if (err)
		snprintf(why, why_size, "conntrack's netlink: %s",
			 strerror(-err));
	return err;
}
