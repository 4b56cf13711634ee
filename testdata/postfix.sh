#!/usr/bin/env bash
# A private Postfix on loopback: a real relay for trying mails.
#
#   testdata/postfix.sh check                         is everything installed?
#   testdata/postfix.sh start DIR PORT [OPTION=N]...  DIR must be new or empty
#   testdata/postfix.sh stop DIR                      the mails stay in DIR
#   testdata/postfix.sh run DIR PORT [OPTION=N]...    start; stop when the input ends
#
# Needs root and, on Debian, the packages postfix, sasl2-bin and libsasl2-modules.
# Everything is below DIR: the system's Postfix is not touched, and no mail leaves
# the machine. Unprivileged processes must have access to DIR, which they do not
# have with mktemp -d.
#
# Manual use, with the file for Vedette that start writes:
#
#   sudo testdata/postfix.sh start /tmp/postfix 2587
#   export SSL_CERT_FILE=/tmp/postfix/cert.pem    # the certificate to trust
#   go run ./cmd/vedette mail test /tmp/postfix/vedette.yaml --to you@example.test
#   sudo sh -c 'cat /tmp/postfix/mail/new/*'      # DIR/log has the log
#   sudo testdata/postfix.sh stop /tmp/postfix
#
# Clients must use STARTTLS, with a certificate for localhost, and log in (PLAIN or
# LOGIN) as vedette@example.test with the password s3cret. All addresses at
# example.test are accepted, non-ASCII ones too if Postfix supports them, except
#
#   busy@     451 4.3.0                     unknown@  550 5.1.1
#   full@     452 4.2.2                     closing@  421 4.3.2, and it disconnects
#   grey...@  450 4.2.0 for some seconds after a sender's first mail
#
# Options: connections=N, the maximum number of connections (50); size=N, the
# maximum mail size in bytes (10240000); grey=N, the seconds for grey addresses (3).
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
umask 022

domain=example.test user=vedette password=s3cret

fail() {
	echo "$*" >&2
	exit 1
}

# check names what is missing. SASL modules have no command to search for.
check() {
	local program
	for program in postfix saslpasswd2 openssl; do
		command -v "$program" >/dev/null || missing "$program"
	done
	compgen -G '/usr/lib*/sasl2/libplain.so*' >/dev/null || compgen -G '/usr/lib/*/sasl2/libplain.so*' >/dev/null || missing "SASL module for PLAIN"
}

missing() {
	fail "find $1: found none, try: apt-get install --no-install-recommends postfix sasl2-bin libsasl2-modules"
}

# prepare_dir sets dir. Its name must not contain characters at which Postfix
# splits lists.
prepare_dir() {
	dir=$(realpath -m -- "$1")
	[[ $dir =~ ^/[A-Za-z0-9._/-]+$ ]] || fail "make $dir: found other characters than letters, digits and ._-"
	mkdir -p -- "$dir"
	[ -z "$(ls -A -- "$dir")" ] || fail "make $dir: found files in it, expected a new or empty directory"
	local above=$dir
	while [ "$above" != / ]; do
		above=$(dirname -- "$above")
		(($(stat -c 0%a -- "$above") & 1)) || fail "reach $dir: $above is not accessible to other users, try chmod o+x or another DIR"
	done
	chmod 755 -- "$dir"
	mkdir -- "$dir"/{etc,etc/sasl,spool,data,mail,grey}
	chown postfix -- "$dir/data"
	chown nobody -- "$dir"/{mail,grey}
}

read_options() {
	connections=50 size=10240000 grey=3
	local option
	for option; do
		[[ $option =~ ^(connections|size|grey)=[0-9]+$ ]] || fail "read options: found $option, expected connections=N, size=N or grey=N"
		declare -g "$option"
	done
}

certify() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null ||
		fail "make certificate: openssl failed"
}

# add_user creates the account. Debian's Postfix searches smtpd.conf below its
# configuration, others below cyrus_sasl_config_path.
add_user() {
	saslpasswd2 -p -c -f "$dir/users" -u "$domain" "$user" <<<"$password"
	chown postfix -- "$dir/users"
	cat >"$dir/etc/sasl/smtpd.conf" <<-END
		pwcheck_method: auxprop
		auxprop_plugin: sasldb
		sasldb_path: $dir/users
		mech_list: PLAIN LOGIN
	END
}

write_main() {
	local uid gid
	uid=$(id -u nobody) gid=$(id -g nobody)
	cat >"$dir/etc/main.cf" <<-END
		compatibility_level = 3.6
		queue_directory = $dir/spool
		data_directory = $dir/data
		maillog_file = $dir/log
		maillog_file_prefixes = $dir
		myhostname = postfix.$domain
		inet_interfaces = 127.0.0.1
		inet_protocols = ipv4

		# Mail for other domains is refused.
		default_transport = error:5.4.4 no mail leaves this machine
		relay_transport = error:5.4.4 no mail leaves this machine
		disable_dns_lookups = yes
		smtpd_peername_lookup = no

		mydestination =
		alias_maps =
		alias_database =
		local_recipient_maps =
		virtual_mailbox_domains = $domain
		virtual_mailbox_base = $dir
		virtual_mailbox_maps = static:mail/
		virtual_mailbox_limit = 0
		virtual_uid_maps = static:$uid
		virtual_gid_maps = static:$gid

		smtpd_tls_chain_files = $dir/key.pem, $dir/cert.pem
		smtpd_tls_security_level = encrypt
		smtpd_sasl_auth_enable = yes
		smtpd_sasl_local_domain = $domain
		cyrus_sasl_config_path = $dir/etc/sasl

		mynetworks =
		smtpd_client_restrictions =
		smtpd_relay_restrictions = reject_unauth_destination
		smtpd_recipient_restrictions = check_recipient_access regexp:$dir/etc/answers, permit_sasl_authenticated, reject
		smtpd_data_restrictions =
		smtpd_restriction_classes = greylist
		greylist = check_policy_service unix:private/greylist

		message_size_limit = $size
		smtpd_client_connection_count_limit = $connections
		smtpd_client_event_limit_exceptions =
		smtpd_error_sleep_time = 0
	END
	# Postfix processes wait for a second before they read a new file.
	touch -d '1 minute ago' -- "$dir/etc/main.cf"
}

# write_answers lists the addresses that are not accepted at once.
write_answers() {
	cat >"$dir/etc/answers" <<-'END'
		/^busy@/     451 4.3.0 I am busy, come back later
		/^full@/     452 4.2.2 the mailbox is full
		/^unknown@/  550 5.1.1 unknown user
		/^closing@/  421 4.3.2 I am closing for today
		/^grey/      greylist
	END
}

# write_master lists the processes that deliver mail to a Maildir; smtp(8) is
# missing, so that no mail leaves. A copy of this script does the greylisting,
# since the original may not be readable for other users.
write_master() {
	cp -- "$0" "$dir/etc/postfix.sh"
	cat >"$dir/etc/master.cf" <<-END
		127.0.0.1:$port inet n - n - - smtpd
		cleanup  unix       n - n -    0 cleanup
		qmgr     unix       n - n 300  1 qmgr
		rewrite  unix       - - n -    - trivial-rewrite
		virtual  unix       - n n -    - virtual
		error    unix       - - n -    - error
		retry    unix       - - n -    - error
		bounce   unix       - - n -    0 bounce
		defer    unix       - - n -    0 bounce
		trace    unix       - - n -    0 bounce
		anvil    unix       - - n -    1 anvil
		tlsmgr   unix       - - n 300  1 tlsmgr
		showq    unix       n - n -    - showq
		postlog  unix-dgram n - n -    1 postlogd
		greylist unix       - n n -    0 spawn user=nobody argv=$BASH $dir/etc/postfix.sh greylist $dir/grey $grey
	END
}

# write_example writes a file for Vedette with this relay.
write_example() {
	cat >"$dir/vedette.yaml" <<-END
		mail:
		  from: Vedette <vedette@example.org>
		  relays:
		    - {host: localhost, port: $port, username: $user@$domain, password: $password}
		recipients: {you: [you@$domain]}
		monitors:
		  - {name: postfix, tcp: 'localhost:$port', notify: [you]}
	END
}

# greylist handles requests from smtpd(8), which are lines NAME=VALUE up to an empty
# line. DIR has a file for each pair of a sender and a recipient that was seen.
greylist() { # DIR SECONDS
	local line pair='' known
	while IFS= read -r line; do
		case $line in
		sender=* | recipient=*) pair+=$line ;;
		'')
			known=$1/$(sha256sum <<<"$pair" | cut -c1-64) pair=''
			[ -e "$known" ] || date +%s >"$known"
			if (($(date +%s) - $(<"$known") < $2)); then
				echo "action=450 4.2.0 greylisted, come back in $2 seconds"
			else
				echo action=dunno
			fi
			echo
			;;
		esac
	done
}

start() { # DIR PORT [OPTION=N]...
	check
	[ "$(id -u)" = 0 ] || fail "start postfix: need root"
	[[ ${2-} =~ ^[0-9]+$ ]] || fail "start postfix: found port ${2-none}, expected a number"
	port=$2
	read_options "${@:3}"
	prepare_dir "$1"
	certify
	add_user
	write_main
	write_answers
	write_master
	write_example
	started=$dir
	# This returns when the port is open, or cannot be opened.
	if ! postfix -c "$dir/etc" start </dev/null >"$dir/start" 2>&1; then
		started=''
		fail "start postfix on 127.0.0.1:$port: $(cat -- "$dir/start" "$dir/log" 2>/dev/null)"
	fi
	echo "postfix is ready on localhost:$port; see $dir"
}

# running reports whether a process group has running processes. kill -0 would
# count zombies too, which are common in containers.
running() { # GROUP
	local file line state group
	for file in /proc/[0-9]*/stat; do
		{ read -r line <"$file"; } 2>/dev/null || continue
		read -r state _ group _ <<<"${line##*) }"
		[ "$group" != "$1" ] || [ "$state" = Z ] || return 0
	done
	return 1
}

# stop waits until the process group has ended: until then its processes may still
# write below DIR.
stop() { # DIR
	local etc pid
	etc=$(realpath -m -- "$1")/etc
	[ -f "$etc/main.cf" ] || fail "stop postfix: found none in $1"
	pid=$(tr -d ' ' <"$etc/../spool/pid/master.pid")
	postfix -c "$etc" abort 2>/dev/null || fail "stop postfix: it is not running in $1"
	for ((i = 0; i < 100; i++)); do
		running "$pid" || return 0
		sleep 0.05
	done
	fail "stop postfix: process group $pid is still running after 5 s"
}

# run ends when its parent ends, in any way.
run() { # DIR PORT [OPTION=N]...
	trap '[ -z "${started-}" ] || stop "$started"' EXIT
	trap 'exit 0' INT TERM HUP
	start "$@"
	while read -r; do :; done
}

case "${1-}:$#" in
check:1 | stop:2 | start:[3-6] | run:[3-6] | greylist:3) "$@" ;;
*) fail "usage: $0 check | start DIR PORT [OPTION=N]... | stop DIR | run DIR PORT [OPTION=N]..." ;;
esac
