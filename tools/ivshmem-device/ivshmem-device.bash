# shellcheck shell=bash
# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
#
# bash completion of ivshmem-device(8). It does not need the package bash-completion, but uses it to
# split the words if it is loaded.

# Offers the arguments that begin with $cur.
_ivshmem_device_offer() {
    local word
    for word in "$@"; do
        [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
    done
    return 0
}

# Offers files.
_ivshmem_device_files() {
    local IFS=$'\n' path
    compopt -o filenames 2>/dev/null
    while read -r path; do
        COMPREPLY+=("$path")
    done < <(compgen -f -- "$cur" 2>/dev/null)
    return 0
}

_ivshmem_device() {
    local cur prev option word profile=
    local profiles=(v2 qemu acrn-hv acrn-dm cloud-hypervisor revision-0 axvisor)
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
        -S | --socket | --server) _ivshmem_device_files && return ;;
        -n | --vectors | -l | --size | --id | --region | --late | --max-peers | --protocol | \
            --state-size | --rw-size | --output-size) return 0 ;;
    esac
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ " ${profiles[*]} " == *" $word "* ]] && profile=$word
    done
    local common=(-h --help -V --version -v --verbose -S --socket --express)
    case $profile in
        v2)
            _ivshmem_device_offer "${common[@]}" -n --vectors --intx --max-peers --protocol \
                --state-size --rw-size --output-size --protect --no-bar2
            ;;
        axvisor)
            _ivshmem_device_offer "${common[@]}" -n --vectors --max-peers --state-size --rw-size \
                --output-size --protect
            ;;
        qemu) _ivshmem_device_offer "${common[@]}" -n --vectors -l --size --server ;;
        acrn-hv) _ivshmem_device_offer "${common[@]}" -l --size --id --region ;;
        acrn-dm | cloud-hypervisor) _ivshmem_device_offer "${common[@]}" -l --size ;;
        revision-0) _ivshmem_device_offer "${common[@]}" -n --vectors -l --size --intx --late ;;
        *) _ivshmem_device_offer "${profiles[@]}" "${common[@]}" ;;
    esac
}

complete -F _ivshmem_device ivshmem-device
