# shellcheck shell=bash
# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
#
# bash completion of ivshmem-server(8). It does not need the package bash-completion, but uses it to
# split the words if it is loaded.

# Offers the arguments that begin with $cur.
_ivshmem_server_offer() {
    local word
    for word in "$@"; do
        [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
    done
    return 0
}

# Offers the names of the existing POSIX shared memory objects.
_ivshmem_server_objects() {
    local path
    while read -r path; do
        _ivshmem_server_offer "${path##*/}"
    done < <(compgen -f -- "/dev/shm/$cur" 2>/dev/null)
    return 0
}

# Offers files or, with -d, directories.
_ivshmem_server_files() {
    local IFS=$'\n' path
    compopt -o filenames 2>/dev/null
    while read -r path; do
        COMPREPLY+=("$path")
    done < <(compgen "${1:--f}" -- "$cur" 2>/dev/null)
    return 0
}

_ivshmem_server() {
    local cur prev option
    # shellcheck disable=SC2034 # _init_completion sets them
    local words cword split
    COMPREPLY=()
    if declare -F _init_completion >/dev/null; then
        _init_completion -n := 2>/dev/null || return 0
    else
        cur=${COMP_WORDS[COMP_CWORD]}
        prev=${COMP_WORDS[COMP_CWORD - 1]}
        # Without it, "--size=4M" is three words.
        if [[ $cur == = ]]; then
            cur=
        elif [[ $prev == = && $COMP_CWORD -gt 1 ]]; then
            prev=${COMP_WORDS[COMP_CWORD - 2]}
        fi
    fi
    option=$prev
    if [[ $cur == --*=* ]]; then
        option=${cur%%=*}
        cur=${cur#*=}
    fi

    case $option in
        -c | --config | -p | --pid-file | -S | --socket) _ivshmem_server_files ;;
        -M | --shm-name) _ivshmem_server_objects ;;
        -m | --directory) _ivshmem_server_files -d ;;
        -l | --size | -n | --vectors | --max-clients | --max-clients-per-uid | --stall-timeout) ;;
        *)
            _ivshmem_server_offer -h --help -V --version -c --config -v --verbose \
                -F --foreground -p --pid-file -S --socket -M --shm-name -m --directory \
                -l --size -n --vectors --max-clients --max-clients-per-uid --stall-timeout \
                --no-departures
            ;;
    esac
}

complete -F _ivshmem_server ivshmem-server
