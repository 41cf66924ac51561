# shellcheck shell=bash
# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
#
# bash completion of ivshmem-gateway(8). It does not need the package bash-completion, but uses it to
# split the words if it is loaded.

# Offers the arguments that begin with $cur.
_ivshmem_gateway_offer() {
    local word
    for word in "$@"; do
        [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
    done
    return 0
}

# Offers what compgen finds.
_ivshmem_gateway_found() {
    local IFS=$'\n' path
    [[ $1 != -f ]] || compopt -o filenames 2>/dev/null
    while read -r path; do
        COMPREPLY+=("$path")
    done < <(compgen "$1" -- "$cur" 2>/dev/null)
    return 0
}

# Offers the PCI addresses of the devices.
_ivshmem_gateway_devices() {
    local folder vendor
    for folder in /sys/bus/pci/devices/*; do
        { read -r vendor <"$folder/vendor"; } 2>/dev/null || continue
        [[ $vendor != 0x1af4 && $vendor != 0x110a ]] || _ivshmem_gateway_offer "${folder##*/}"
    done
    return 0
}

_ivshmem_gateway() {
    local cur prev option
    # shellcheck disable=SC2034 # _init_completion sets them
    local words cword split
    COMPREPLY=()
    if declare -F _init_completion >/dev/null; then
        _init_completion -n := 2>/dev/null || return 0
    else
        cur=${COMP_WORDS[COMP_CWORD]}
        prev=${COMP_WORDS[COMP_CWORD - 1]}
        # Without it, "--slot=1" is three words.
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
        -c | --config | --socket) _ivshmem_gateway_found -f && return ;;
        -D | --device) _ivshmem_gateway_devices && return ;;
        --ca | --cert | --key | --password-file) _ivshmem_gateway_found -f && return ;;
        --qos) _ivshmem_gateway_offer 0 1 2 && return ;;
        --retain) _ivshmem_gateway_offer true false && return ;;
        --broker | --port | --client-id | --session | --keepalive | --user | --max-message | \
            --queue-messages | --queue-bytes | --slot | --slot-topics | --slot-retained | \
            --slot-messages | --slot-bytes | --out | --in | --to | --allow | --size | --messages | \
            --topics)
            return 0
            ;;
    esac
    _ivshmem_gateway_offer -h --help -V --version -c --config --check -v --verbose -D --device \
        --socket --trust-server --slot --reformat --broker --port --client-id --session --keepalive \
        --tls --ca --cert --key --user --password-file --max-message --queue-messages --queue-bytes \
        --slot-topics --slot-retained --slot-messages --slot-bytes --out --in --to --qos --retain \
        --allow --size --messages --topics
}

complete -F _ivshmem_gateway ivshmem-gateway
