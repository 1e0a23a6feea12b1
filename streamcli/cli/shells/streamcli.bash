# Completion of streamcli for bash, made by `streamcli completion bash`.

_streamcli() {
    local program=${1/#\~\//$HOME/} answer also line
    COMPREPLY=()
    answer=$(_STREAMCLI_COMPLETE=bash "$program" "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2> /dev/null) || return 0
    {
        IFS= read -r also
        while IFS= read -r line; do COMPREPLY+=("$line"); done
    } <<< "$answer"
    [[ -n ${COMPREPLY[0]-} ]] || COMPREPLY=()
    case $also in
        nospace) compopt -o nospace ;;
        files)
            compopt -o filenames -o bashdefault -o default
            if ((${#COMPREPLY[@]})); then
                while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$2")
            fi
            ;;
        directories) compopt -o filenames -o dirnames ;;
        command*) _streamcli_command "$@" ;;
    esac
}

# What stands after --: a command line of its own.
_streamcli_command() {
    local first=1
    while [[ ${COMP_WORDS[first - 1]} != -- && $first -lt $COMP_CWORD ]]; do ((first++)); done
    if declare -F _comp_command_offset > /dev/null; then
        _comp_command_offset "$first"
    elif declare -F _command_offset > /dev/null; then
        _command_offset "$first"
    elif ((COMP_CWORD == first)); then
        local line
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -c -- "$2")
    else
        compopt -o filenames -o bashdefault -o default
    fi
}

complete -F _streamcli streamcli
