#!/bin/sh
# Makes .venv with graphrt and the extras named (say `dev,local`), and does nothing when that is already so.
#
#   tools/setup.sh EXTRAS          PYTHON=/path/to/python chooses the interpreter
#
# It never leaves half an environment behind as if it were whole: the stamp is written last. The stamp holds a sum over
# pyproject.toml and constraints.txt, and the extras that are in.
set -eu

extras=${1:?usage: tools/setup.sh EXTRAS}
cd "$(dirname "$0")/.."
venv=.venv
stamp=$venv/graphrt-ready
log=$venv/install.log
# Measured: `dev` takes 640 MB and `local` 400 MB, and pip unpacks beside what it installs.
room_mb=1500

stop() {
    printf '\ngraphrt: %s\n' "$1" >&2
    shift
    for line; do printf '  %s\n' "$line" >&2; done
    exit 1
}

runs() { "$@" >/dev/null 2>&1; }

# The first interpreter that runs, is new enough and can make environments. A name on PATH proves none of the three.
find_python() {
    seen=
    for name in ${PYTHON:-python3.14 python3.13 python3.12 python3.11 python3 python}; do
        version=$("$name" -c 'import platform; print(platform.python_version())' 2>/dev/null) || continue
        if ! runs "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            seen="$seen $name is $version, too old;"
        elif ! runs "$name" -c 'import ensurepip, venv'; then
            seen="$seen $name is $version, but has no venv module;"
        else
            python=$name
            return
        fi
    done
    case $seen in
    *"no venv module"*)
        stop "Python cannot make a virtual environment here: its venv module is missing." \
            "Found:$seen" \
            "Install it (Debian, Ubuntu: apt install python3-venv) and try again," \
            "or name another interpreter: make PYTHON=/path/to/python3" ;;
    *)
        stop "no Python 3.11 or later was found." \
            "Looked for: ${PYTHON:-python3.14, python3.13, python3.12, python3.11, python3, python}" \
            "Found:${seen:- none that runs}" \
            "Install one (Debian 12 and later: apt install python3 python3-venv)," \
            "or name one: make PYTHON=/path/to/python3.11" ;;
    esac
}

explain_failure() {
    if grep -qiE 'no space left|errno 28|disk quota' "$log"; then
        stop "the disk is full: the packages could not be installed." \
            "Free about $room_mb MB where this folder and the temporary folder lie, then run the same command again." \
            "The whole log: $log"
    elif grep -qiE 'connection (refused|reset|broken)|failed to establish|name resolution|name or service not known|timed out|network is unreachable|no such host|proxyerror|sslerror|\(from versions: none\)' "$log"; then
        stop "the package registry could not be reached, or does not have what is needed." \
            "Check the network, or set your own index (PIP_INDEX_URL, PIP_FIND_LINKS, a pip.conf), then run the same command again." \
            "pip said: $(grep -E 'ERROR:' "$log" | tail -n 1)" \
            "The whole log: $log"
    fi
    tail -n 15 "$log" >&2
    stop "pip could not install the packages; its last lines are above." "The whole log: $log"
}

sum=$(cat pyproject.toml constraints.txt | cksum | tr ' ' -)
have=
if [ -f "$stamp" ] && runs "$venv/bin/python" -c ''; then
    # The folder is part of the key: an environment does not survive being moved.
    [ "$(sed -n 1p "$stamp")" = "$sum $PWD" ] && have=$(sed -n 2p "$stamp")
fi
missing=
for extra in $(echo "$extras" | tr , ' '); do
    case ",$have," in *",$extra,"*) ;; *) missing=yes ;; esac
done
[ -n "$missing" ] || exit 0

free_mb=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024) }')
[ "$free_mb" -ge "$room_mb" ] || stop "not enough disk space: $free_mb MB are free here, about $room_mb MB are needed." \
    "Free some, or clone to another disk, then run the same command again."

if ! runs "$venv/bin/python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))'; then
    find_python
    echo "graphrt: making $venv with $("$python" --version) ($python)"
    made=$("$python" -m venv --clear "$venv" 2>&1) || stop "the virtual environment could not be made." "$made"
fi

echo "graphrt: installing graphrt[$extras] into $venv (the first time this takes a minute or two)"
rm -f "$stamp"
# The constraints hold for build environments too, under both names that pip has had for that.
export PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_USER=0 PIP_RETRIES="${PIP_RETRIES:-2}"
"$venv/bin/python" -m pip install --editable ".[$extras]" >"$log" 2>&1 || explain_failure
"$venv/bin/python" -c 'import graphrt, graphrt_viz' || stop "graphrt is installed but cannot be imported; see above."
all=$(printf '%s\n' "$have" "$extras" | tr , '\n' | sed '/^$/d' | sort -u | paste -s -d , -)
printf '%s\n%s\n' "$sum $PWD" "$all" >"$stamp"
