# shellcheck shell=bash
# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
#
# bash completion of lsivshmem(8). It needs nothing of the package bash-completion.

# Sets words to those of the line up to the cursor. readline also breaks words at colons and equals
# signs: a piece that follows another without a blank belongs to it.
_lsivshmem_words() {
    local line=${COMP_LINE:0:COMP_POINT} piece
    words=()
    for piece in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        if [[ ${#words[@]} -eq 0 || $line == [[:blank:]]* ]]; then
            words+=('')
            line=${line#"${line%%[![:blank:]]*}"}
        fi
        [[ $line == "$piece"* ]] || piece=$line # the cursor is inside it
        words[-1]+=$piece
        line=${line#"$piece"}
    done
}

# Offers the given words, after $head, that begin with $cur; without $trim, which readline keeps.
_lsivshmem_offer() {
    local word
    for word in "$@"; do
        word=$head$word
        [[ $word == "$cur"* ]] && COMPREPLY+=("${word#"$trim"}")
    done
    return 0
}

# Prints a column of the devices under $sysroot.
_lsivshmem_list() {
    "$program" ${sysroot:+--sysroot "$sysroot"} -n -o "$1" 2>/dev/null
}

_lsivshmem_addresses() {
    local address
    local -a short=()
    for address in $(_lsivshmem_list address); do
        _lsivshmem_offer "$address"
        [[ $address == 0000:* ]] && short+=("${address#0000:}")
    done
    ((${#COMPREPLY[@]})) || _lsivshmem_offer ${short[@]+"${short[@]}"}
}

_lsivshmem_devices() {
    local text index=0
    _lsivshmem_addresses
    [[ $cur == [a-z]* ]] || return 0 # otherwise a single address completes at once
    _lsivshmem_offer any
    for text in $(_lsivshmem_list address); do
        _lsivshmem_offer "index:$((index++))"
    done
    for text in $(_lsivshmem_list region); do
        _lsivshmem_offer "region:$text"
    done
    for text in $(_lsivshmem_list size); do
        _lsivshmem_offer "size:$text"
    done
}

# Offers the columns that the comma list lacks, in the case in which the next one begins.
_lsivshmem_columns() {
    local value=${cur#"$head"} given name rest
    given=${value%"${value##*,}"}
    while read -r name rest; do
        [[ ,${given,,} == *,"${name,,}",* ]] && continue
        [[ ${value##*,} == [A-Z]* ]] || name=${name,,}
        _lsivshmem_offer "$given$name"
    done < <("$program" --list-columns 2>/dev/null)
    compopt -o nospace 2>/dev/null
}

# Reads the line up to the cursor and sets the caller's variables. cur: the word at the cursor.
# option: the option whose value it is (- if it is an option itself, -- after that word). head: the
# part of cur before the value. Also trim and sysroot. $1: the short options that take values.
_lsivshmem_look() {
    local quoted='' i
    option='' head='' trim='' sysroot=''
    _lsivshmem_words
    ((${#words[@]} > 1)) || return 1

    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        case ${words[i]} in
            --sysroot) sysroot=${words[i + 1]} ;;
            --sysroot=*) sysroot=${words[i]#*=} ;;
        esac
        [[ ${words[i]} == -- ]] && option=--
    done
    sysroot=${sysroot//[\"\'\\]/}
    sysroot=${sysroot/#~\//"${HOME-}/"}

    cur=${words[-1]}
    [[ $cur == [\"\']* ]] && cur=${cur:1} quoted=yes
    if [[ ! $option ]]; then
        case $cur in
            --color=*) option=- ;;
            --*=*) option=${cur%%=*} head=$option= ;;
            -[$1]?*) option=${cur:0:2} head=$option ;;
            -*) option=- ;;
            *) option=${words[-2]} ;;
        esac
    fi
    if [[ ! $quoted ]]; then # readline completes what follows the last colon or equals sign only
        trim=$cur
        [[ $COMP_WORDBREAKS == *:* ]] && trim=${trim##*:}
        [[ $COMP_WORDBREAKS == *=* ]] && trim=${trim##*=}
        trim=${cur%"$trim"}
    fi
}

_lsivshmem() {
    local IFS=$' \t\n' cur program option head trim sysroot
    local -a words
    COMPREPLY=()
    _lsivshmem_look ods || return 0

    program=${words[0]/#~\//"${HOME-}/"}
    type -P -- "$program" >/dev/null || program=lsivshmem # an alias

    case $option in
        -o | --output) _lsivshmem_columns ;;
        -s | --slot) _lsivshmem_addresses ;;
        -d | --id) _lsivshmem_offer 1af4:1110 110a:4106 ;;
        --sysroot) compopt -o dirnames 2>/dev/null ;;
        -)
            _lsivshmem_offer -h --help -V --version -t --tree -J --json -k --kernel -v --verbose \
                -o --output --list-columns -b --bytes -n --noheadings -s --slot -d --id \
                --sysroot --color=always --color=auto --color=never
            ;;
        *) _lsivshmem_devices ;;
    esac
}

complete -F _lsivshmem lsivshmem
