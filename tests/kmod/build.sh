#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# halo.ko builds without a warning against each kernel it is meant for, sparse
# and checkpatch find nothing, DKMS builds it, modules_install installs it. Runs
# no kernel: that is tests/vm/kmod_*.sh.
#
# checkpatch may not like that compat.h asks for the kernel's version: that is
# what compat.h is for. checkpatch.pl comes with the kernel's source, which is
# large: CHECKPATCH names it where it is, else that is skipped.
cd "$(dirname "$0")/../.." || exit 1
set -u
HALO_BUILD=$(realpath -m "${HALO_BUILD:-build}")
export HALO_BUILD
readonly OUT=$HALO_BUILD/kmod/check
failed=0

# quiet TITLE CMD…: succeeds and says nothing
quiet() {
	local title=$1 said status
	shift
	said=$("$@" 2>&1)
	status=$?
	if [ "$status" -eq 0 ] && [ -z "$said" ]; then
		echo "ok - $title"
		return
	fi
	echo "not ok - $title"
	head -n 20 <<<"${said:-exit status $status}" | sed 's/^/  /'
	failed=1
}
skip() { echo "skip - $1: $2"; }

builds() { scripts/kmod build "$1" "$OUT/$2" W=1 "${@:3}"; }

# for_kernel PACKAGE [VAR=…]
for_kernel() {
	local kdir
	kdir=$(scripts/kmod headers "$1" 2>&1) || {
		skip "halo.ko builds for $1" "${kdir##*$'\n'}"
		return
	}
	quiet "halo.ko builds for $1 (${kdir##*headers-}) $(echo "${@:2}")" \
		builds "$kdir" "$1" "${@:2}"
}

dkms_builds() {
	local kdir=$1 dir=$OUT/dkms release
	release=$(<"$kdir/include/config/kernel.release")
	rm -rf "$dir"
	mkdir -p "$dir/tree" "$dir/halo-1.0"
	cp -r Kbuild kmod dkms.conf "$dir/halo-1.0"
	{
		dkms add --dkmstree "$dir/tree" --sourcetree "$dir" halo/1.0 &&
			dkms build --dkmstree "$dir/tree" --sourcetree "$dir" \
				-k "$release" --kernelsourcedir "$kdir" halo/1.0
	} >"$dir/log" 2>&1 || { tail -n 20 "$dir/log"; return 1; }
	find "$dir/tree" -name 'halo.ko*' | grep -q . ||
		{ echo "no module: $(tail -n 3 "$dir/log")"; return 1; }
}
installs() {
	local to=$OUT/install
	rm -rf "$to"
	make -s modules_install KDIR="$1" O="$OUT/made" \
		INSTALL_MOD_PATH="$to" >"$OUT/install.log" 2>&1 ||
		{ tail "$OUT/install.log"; return 1; }
	find "$to" -name 'halo.ko*' | grep -q . || { echo "no module"; return 1; }
}

mkdir -p "$OUT"
scripts/install-deps --kmod >"$OUT/install.log" 2>&1
command -v sparse >/dev/null || skip "sparse finds nothing" "not installed"
for_kernel linux-image-6.12-cloud-amd64
for_kernel linux-image-amd64 HALO_TEST=1 \
	$(command -v sparse >/dev/null && echo C=2 CHECK=sparse)
if kdir=$(scripts/kmod headers linux-image-cloud-amd64 2>/dev/null); then
	if command -v dkms >/dev/null; then
		quiet "dkms builds it for a named kernel" dkms_builds "$kdir"
	else
		skip "dkms builds it" "not installed"
	fi
	quiet "modules_install installs it" installs "$kdir"
else
	skip "dkms and modules_install" "no headers of linux-image-cloud-amd64"
fi
if [ -x "${CHECKPATCH:-}" ]; then
	quiet "checkpatch finds nothing" "$CHECKPATCH" --no-tree --terse \
		--no-summary -q --ignore LINUX_VERSION_CODE,CONSTANT_COMPARISON \
		-f kmod/*.[ch] kmod/uapi/halo.h
else
	skip "checkpatch finds nothing" \
		"CHECKPATCH does not name it (linux-source-6.1, scripts/checkpatch.pl)"
fi
exit "$failed"
