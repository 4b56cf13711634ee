#!/usr/bin/env bash
# A private network in which cluster nodes can be cut off from each other.
#
#   testdata/namespaces.sh check                       is it possible here?
#   testdata/namespaces.sh run VEDETTE [OPTION]...     run 'vedette soak cluster' in it
#
# Needs root and, on Debian, the package iproute2. Each process gets a network
# namespace and a veth pair to a bridge in another namespace; nothing is connected
# to the machine's network. Everything is removed at the end, also after an
# interrupt, or when standard input ends.
#
#   go build -o /tmp/vedette ./cmd/vedette
#   sudo testdata/namespaces.sh run /tmp/vedette --for 30s </dev/tty
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

prefix="vedette$$-" # for the namespaces' names
made=() pid='' watcher=''

fail() {
	echo "namespaces: $1" >&2
	exit 1
}

remove() {
	trap '' INT TERM
	for id in $pid $watcher; do kill "$id" 2>/dev/null || true; done
	[ -z "$pid" ] || wait "$pid" 2>/dev/null || true
	for name in ${made[@]+"${made[@]}"}; do ip netns delete "$name"; done
}

# host creates a namespace.
host() {
	ip netns add "$prefix$1"
	made+=("$prefix$1")
	ip -n "$prefix$1" link set lo up
}

# cable connects a host to the bridge, with an address.
cable() {
	ip -n "${prefix}hub" link add "$1" type veth peer name eth0 netns "$prefix$1"
	ip -n "${prefix}hub" link set "$1" master bridge up
	ip -n "$prefix$1" address add "$2/24" dev eth0
	ip -n "$prefix$1" link set eth0 up
}

check() {
	[ "$(id -u)" = 0 ] || fail "needs root"
	command -v ip >/dev/null || fail "found no ip, expected the package iproute2"
	ip netns add "${prefix}try" 2>/dev/null || fail "this system allows no network namespaces"
	made+=("${prefix}try")
	ip -n "${prefix}try" link add bridge type bridge 2>/dev/null || fail "this system allows no bridges"
}

run() {
	local vedette=$1 number=1
	shift
	host hub
	ip -n "${prefix}hub" link add bridge type bridge
	ip -n "${prefix}hub" address add 10.213.0.1/24 dev bridge
	ip -n "${prefix}hub" link set bridge up
	for name in n1 n2 n3 s c1 c2 m1 m2; do
		number=$((number + 1))
		host "$name"
		cable "$name" "10.213.0.$number"
	done
	exec 3<&0
	ip netns exec "${prefix}hub" "$vedette" soak cluster --namespaces "$prefix" "$@" </dev/null 3<&- &
	pid=$!
	(while read -r _ <&3; do :; done; kill -TERM "$pid") >/dev/null 2>&1 &
	watcher=$!
	local code=0
	wait "$pid" || code=$?
	pid=''
	return "$code"
}

trap remove EXIT
trap 'exit 130' INT TERM
case ${1-} in
check) check ;;
run) shift && run "$@" ;;
*) fail "expected check or run" ;;
esac
