#!/usr/bin/env bash
# Tries compose.yaml with a Docker engine: builds the images without a registry,
# starts three nodes and all workers, stops a monitored node, and waits for the
# mails about it.
#
#   testdata/compose.sh check    is everything installed?
#   testdata/compose.sh          try it, and clean up (KEEP=1 keeps it running)
#
# Needs Go, a Docker engine, and docker compose 2. The loopback ports 8080 and 8025
# must be free. Secrets are created in a temporary directory.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
	echo "compose.sh: $1" >&2
	exit 1
}

check() {
	command -v go >/dev/null || fail "found no go"
	command -v docker >/dev/null || fail "found no docker"
	docker compose version >/dev/null 2>&1 || fail "found no docker compose, expected the plugin, version 2"
	docker info >/dev/null 2>&1 || fail "found no running Docker engine: $(docker info 2>&1 | tail -1)"
}

check
[ "${1:-}" = check ] && exit 0

work=$(mktemp -d)
export VEDETTE_IMAGE=$work/image VEDETTE_SECRETS=$work/secrets COMPOSE_PROJECT_NAME=vedette-try-$$

compose() { docker compose -f compose.yaml -f testdata/compose.local.yaml "$@"; }

finish() {
	local code=$?
	if [ "$code" != 0 ]; then compose logs --tail 50 >&2 || true; fi
	if [ -n "${KEEP:-}" ]; then
		echo "still running; stop it with: VEDETTE_IMAGE=$VEDETTE_IMAGE VEDETTE_SECRETS=$VEDETTE_SECRETS docker compose -p $COMPOSE_PROJECT_NAME -f compose.yaml -f testdata/compose.local.yaml down --volumes"
	else
		compose down --volumes --remove-orphans --timeout 30 >/dev/null 2>&1 || true
		rm -rf "$work"
	fi
	exit "$code"
}
trap finish EXIT

echo "== images"
mkdir -p "$VEDETTE_IMAGE/data"
CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o "$VEDETTE_IMAGE/" ./cmd/vedette ./testdata/catcher
# The CA certificates of this machine are optional: no monitor here needs them.
cp /etc/ssl/certs/ca-certificates.crt "$VEDETTE_IMAGE/" 2>/dev/null || : >"$VEDETTE_IMAGE/ca-certificates.crt"
# The last stage of cmd/vedette/Dockerfile, without the build stage.
sed -n '/^FROM scratch/,$p' cmd/vedette/Dockerfile |
	sed -e 's|--from=build ||' -e 's|/etc/ssl/certs/ca-certificates.crt /etc|ca-certificates.crt /etc|' -e 's|/out/||' >"$VEDETTE_IMAGE/Dockerfile.vedette"
cp testdata/catcher/Dockerfile "$VEDETTE_IMAGE/Dockerfile.catcher"
"$VEDETTE_IMAGE/vedette" auth init "$VEDETTE_SECRETS" nats-1 nats-2 nats-3 >/dev/null
compose build

echo "== up"
compose up --detach --wait --wait-timeout 240 --scale check=3 --scale mail=2
compose ps

# mailed waits for a mail whose subject contains a text.
mailed() {
	local deadline=$((SECONDS + 180))
	until compose logs --no-log-prefix catcher | grep -F "Subject: " | grep -qF "$1"; do
		[ "$SECONDS" -lt "$deadline" ] || fail "found no mail $1 within 3 minutes"
		sleep 1
	done
	compose logs --no-log-prefix catcher | grep -F "Subject: " | grep -F "$1" | tail -1
}

echo "== a monitor that is down from the start"
mailed "[DOWN] missing"
echo "== a stopped node"
compose stop nats-3
mailed "[DOWN] nats-3"
echo "== the node, started again"
compose start nats-3
mailed "[UP] nats-3"
echo "== the mails"
compose logs --no-log-prefix catcher | grep -F "Subject: "
echo "ok"
