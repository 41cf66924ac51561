# shellcheck shell=bash
# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
#
# bash completion of ivshmem-share(8). It does not need the package bash-completion, but uses it to
# split the words if it is loaded.

# Offers the arguments that begin with $cur.
_ivshmem_share_offer() {
    local word
    for word in "$@"; do
        [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
    done
    return 0
}

# Offers what compgen finds.
_ivshmem_share_found() {
    local IFS=$'\n' path
    [[ $1 != -f ]] || compopt -o filenames 2>/dev/null
    while read -r path; do
        COMPREPLY+=("$path")
    done < <(compgen "$1" -- "$cur" 2>/dev/null)
    return 0
}

_ivshmem_share() {
    local cur prev option
    # shellcheck disable=SC2034 # _init_completion sets them
    local words cword split
    COMPREPLY=()
    if declare -F _init_completion >/dev/null; then
        _init_completion -n := 2>/dev/null || return 0
    else
        cur=${COMP_WORDS[COMP_CWORD]}
        prev=${COMP_WORDS[COMP_CWORD - 1]}
        # Without it, "--group=users" is three words.
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
        -S | --socket | --root) _ivshmem_share_found -f && return ;;
        -g | --group) _ivshmem_share_found -g && return ;;
        --max-programs | --max-programs-per-user) return 0 ;;
    esac
    _ivshmem_share_offer -h --help -V --version -v --verbose -S --socket -g --group --root \
        --max-programs --max-programs-per-user
}

complete -F _ivshmem_share ivshmem-share
