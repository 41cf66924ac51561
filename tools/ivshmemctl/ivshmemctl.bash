# shellcheck shell=bash
# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
#
# bash completion of ivshmemctl(8). The words come from its --help. It needs nothing from the
# package bash-completion, but the completion of lsivshmem(8) beside it.

# shellcheck disable=SC1091 # has another name once installed
declare -F _lsivshmem_look >/dev/null || source "${BASH_SOURCE[0]%/*}/lsivshmem"

# Prints the names of the subcommands or of the arguments, each at the beginning of a line of
# --help.
_ivshmemctl_section() {
    local line inside=''
    while IFS= read -r line; do
        case $line in
            "$1":* | "${1^^}":*) inside=yes ;; # depends on the version of CLI11
            [![:blank:]]*) inside='' ;;
            '  '[![:blank:]]*)
                line=${line#  }
                [[ $inside ]] && printf '%s\n' "${line%%[[:blank:]]*}"
                ;;
        esac
    done <<<"$help"
}

# Prints the options of --help, a line each: the names, then the name of the value in capitals, if
# any.
_ivshmemctl_options() {
    local line
    while IFS= read -r line; do
        [[ $line =~ ^\ +((-[[:alnum:]])?,?\ *(--[[:alnum:]-]+)?)(\ +\[?=?([A-Z]+))? ]] || continue
        [[ ${BASH_REMATCH[2]}${BASH_REMATCH[3]} ]] || continue
        printf '%s %s %s\n' "${BASH_REMATCH[2]:--}" "${BASH_REMATCH[3]:--}" "${BASH_REMATCH[5]}"
    done <<<"$help"
}

# Sets value to the name of the value of $option.
_ivshmemctl_value() {
    local short long what
    value=''
    while read -r short long what; do
        [[ $option == "$short" || $option == "$long" ]] && [[ $option == -?* ]] && value=$what
    done < <(_ivshmemctl_options)
}

_ivshmemctl_offer_options() {
    local short long what
    while read -r short long what; do
        [[ $short == - ]] || _lsivshmem_offer "$short"
        case $long in
            -) ;;
            --color) _lsivshmem_offer --color=always --color=auto --color=never ;;
            *) _lsivshmem_offer "$long" ;;
        esac
    done < <(_ivshmemctl_options)
}

# Sets subcommand and help; help is that of the subcommand, if the line has one.
_ivshmemctl_find_subcommand() {
    local i found=''
    local -a known
    help=$("$tool" --help 2>/dev/null)
    mapfile -t known < <(_ivshmemctl_section Subcommands)
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        for found in ${known[@]+"${known[@]}"}; do
            [[ ${words[i]} == "$found" ]] || continue
            option_before=${words[i - 1]}
            case $option_before in
                -D | --device | --socket | --sysroot) ;; # a value that looks like a subcommand
                *)
                    subcommand=$found
                    common=$help
                    help=$("$tool" "$found" --help 2>/dev/null)
                    return
                    ;;
            esac
        done
    done
}

_ivshmemctl() {
    # shellcheck disable=SC2034 # used by the functions of lsivshmem
    local IFS=$' \t\n' cur tool program=lsivshmem option head trim sysroot
    local help='' common='' subcommand='' value option_before
    local -a words
    COMPREPLY=()
    _lsivshmem_look DcinosWw || return 0

    tool=${words[0]/#~\//"${HOME-}/"}
    type -P -- "$tool" >/dev/null || tool=ivshmemctl # an alias
    _ivshmemctl_find_subcommand
    help+=$'\n'$common # the common options may follow it too

    _ivshmemctl_value
    case $option/$value in
        -/*) _ivshmemctl_offer_options ;;
        --driver/*) _lsivshmem_offer vfio-pci igb_uio uio_pci_generic none ;;
        */DEVICE) _lsivshmem_devices ;;
        */MODE) _lsivshmem_offer write-back write-combining uncached ;;
        */DIR) compopt -o dirnames 2>/dev/null ;;
        */FILE | */PATH) compopt -o default 2>/dev/null ;;
        */?*) ;;
        *)
            if [[ ! $subcommand ]]; then
                # shellcheck disable=SC2046 # words
                _lsivshmem_offer $(_ivshmemctl_section Subcommands)
            elif [[ $(_ivshmemctl_section Positionals) == *DEVICE* ]]; then
                _lsivshmem_devices
            fi
            ;;
    esac
}

complete -F _ivshmemctl ivshmemctl
