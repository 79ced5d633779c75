# shellcheck shell=sh
# Sourced by the scripts one folder up: finds the project ($root), and `set_up` leaves in
# $python an interpreter that has a lock of requirements/ installed.

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
python=$root/.venv/bin/python
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV # another environment's must not leak in
outside=$PATH
PATH=$root/.tools/bin:$root/.venv/bin:$PATH
export PATH

# Prints the first Python that is new enough, $DAYPASS_PYTHON before all others. Names are
# tried by running them: a version manager's shim can be on PATH with nothing behind it.
find_python() {
    for candidate in "${DAYPASS_PYTHON:-python3.13}" python3.13 python3.12 python3.11 python3 python; do
        if "$candidate" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo 'Daypass needs Python 3.11 or newer, and found none on PATH.' >&2
    echo 'Install one (https://www.python.org/downloads/), then run this command again.' >&2
    return 2
}

# set_up LOCK: LOCK is sandbox or dev. Costs a fraction of a second when nothing changed.
set_up() {
    if ! "$python" -I "$root/scripts/lib/setup.py" "$1" --current 2>/dev/null; then
        (
            PATH=$outside
            base=$(find_python)
            "$base" -I "$root/scripts/lib/setup.py" "$1"
        )
    fi
}
