#!/usr/bin/env bash
# Who may use whom: the table of ARCHITECTURE.md, checked.
#
#   tests/arrows.sh includes [TREE]     each folder includes only what it may
#   tests/arrows.sh symbols ARCHIVE     the core needs nothing but memory, mem*, str* and its assert
#   tests/arrows.sh planted NAME [CC]   plant the violation NAME in a copy: the check must find it
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Folder, then the project's own headers that it may include, as one regular expression. Names
# without a slash are a folder's own.
rules='
proto         ^proto/
conf          ^conf/|^proto/(err|limits|assert)[.]h$
daemon/core   ^core/|^proto/(err|limits|id|assert|pages)[.]h$
daemon/store  ^store/|^proto/(err|assert)[.]h$
daemon/engine ^engine/|^core/core[.]h$|^store/store[.]h$|^proto/
daemon/wire   ^wire/|^engine/body[.]h$|^proto/
daemon/net    ^net/|^engine/engine[.]h$|^wire/|^proto/|^conf/
daemon/pool   ^pool/|^engine/engine[.]h$|^wire/|^proto/|^conf/
client        ^[^/]+$|^client/|^ganger/|^proto/
client/cli    ^[^/]+$|^ganger/
worker        ^worker/|^client/include/ganger/|^ganger/|^proto/(err|limits)[.]h$
'
# Folder, then how the names of headers begin that it must not include from the system.
bans='
proto         uv|msgpack|yaml|systemd|sys/socket|unistd
conf          uv|msgpack|systemd
daemon/core   uv|msgpack|yaml|systemd|stdio|unistd|time|sys/|errno|fcntl|signal|pthread
daemon/store  uv|msgpack|yaml|systemd|sys/socket
daemon/engine uv|yaml|systemd|unistd|fcntl|sys/|pthread|time
daemon/wire   uv|msgpack|yaml|systemd|pthread
daemon/net    msgpack|yaml|pthread
daemon/pool   msgpack|yaml|pthread
client        uv|msgpack|yaml|systemd|syslog
client/cli    uv|yaml|systemd|syslog
worker        uv|msgpack|yaml|systemd
'

# Print "FOLDER/FILE: HEADER" for each forbidden include below TREE.
includes() {
    local tree=$1 folder allowed banned found status=0
    while read -r folder allowed; do
        [ -n "$folder" ] || continue
        if ! compgen -G "$tree/$folder/*.c" >/dev/null; then
            echo "$folder: no source there" && status=1
        fi
        found=$(cd "$tree" && grep -HE '^[[:space:]]*#[[:space:]]*include[[:space:]]+"' "$folder"/*.[ch] |
            sed -E 's/:[^"]*"([^"]*)".*/: \1/' | awk -v ok="$allowed" '$2 !~ ok') || true
        [ -z "$found" ] || { echo "$found" && status=1; }
    done <<<"$rules"
    while read -r folder banned; do
        [ -n "$folder" ] || continue
        found=$(cd "$tree" && grep -HE '^[[:space:]]*#[[:space:]]*include[[:space:]]+<' "$folder"/*.[ch] |
            sed -E 's/:[^<]*<([^>]*)>.*/: \1/' |
            awk -v no="^($banned)" '$2 ~ no') || true
        [ -z "$found" ] || { echo "$found" && status=1; }
    done <<<"$bans"
    return $status
}

# Print the symbols that ARCHIVE needs from outside beyond those allowed. Instrumentation by a
# sanitizer, a fuzzer or the stack protector is none of the core's doing.
symbols() {
    local needed
    [ -f "$1" ] || { echo "$1: no such archive" && return 1; }
    needed=$(comm -23 <(nm -u "$1" | awk '$1 == "U" { print $2 }' | sort -u) \
        <(nm --defined-only "$1" | awk 'NF == 3 { print $3 }' | sort -u) |
        grep -vE '^(__)?(mem|str)[a-z]+(_chk)?$|^(malloc|calloc|realloc|free)$|^pages_[a-z]+$' |
        grep -vE '^ganger_assert_failed$|^__stack_chk_fail$|^_GLOBAL_OFFSET_TABLE_$' |
        grep -vE '^__(asan|tsan|ubsan|sanitizer|sancov|start___sancov|stop___sancov)_') || true
    [ -z "$needed" ] || { echo "$needed" && return 1; }
}

# Add LINE to FILE of a copy; the check must then fail and name the file.
must_find_include() {
    local copy=$1 file=$2 line=$3 out
    echo "$line" >>"$copy/$file"
    if out=$(includes "$copy"); then
        echo "the planted $line in $file was not found" && return 1
    fi
    grep -q "^$file: " <<<"$out"
}

planted() {
    local name=$1 cc=${2:-cc} copy
    copy=$(mktemp -d)
    # shellcheck disable=SC2064
    trap "rm -rf '$copy'" EXIT
    cp -r "$root/proto" "$root/conf" "$root/daemon" "$root/client" "$root/worker" "$copy"
    case $name in
        core_uses_time) must_find_include "$copy" daemon/core/core.c '#include <time.h>' ;;
        core_uses_sockets) must_find_include "$copy" daemon/core/core.c '#include <sys/socket.h>' ;;
        core_uses_store) must_find_include "$copy" daemon/core/core.c '#include "store/store.h"' ;;
        net_uses_pool) must_find_include "$copy" daemon/net/net.c '#include "pool/pool.h"' ;;
        cli_uses_inside) must_find_include "$copy" client/cli/main.c '#include "client/handle.h"' ;;
        core_calls_time)
            echo 'long time(long *); long planted(void); long planted(void) { return time(0); }' \
                >"$copy/planted.c"
            "$cc" -c "$copy/planted.c" -o "$copy/planted.o"
            ar rc "$copy/planted.a" "$copy/planted.o"
            if symbols "$copy/planted.a" >"$copy/out"; then
                echo "the planted call of time() was not found" && return 1
            fi
            grep -qx time "$copy/out"
            ;;
        *) echo "no violation is called $name" && return 1 ;;
    esac
}

case ${1:-} in
    includes) includes "${2:-$root}" ;;
    symbols) symbols "$2" ;;
    planted) planted "$2" "${3:-cc}" ;;
    *) sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "$0" >&2 && exit 2 ;;
esac
