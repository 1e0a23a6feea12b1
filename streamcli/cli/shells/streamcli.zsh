#compdef streamcli
# Completion of streamcli for zsh, made by `streamcli completion zsh`.

_streamcli() {
    local program=${~words[1]} also line
    local -a answer open closed
    answer=("${(@f)$(_STREAMCLI_COMPLETE=zsh $program "${(@Q)words[2,CURRENT-1]}" "${(Q)IPREFIX}${(Q)PREFIX}" 2> /dev/null)}")
    also=$answer[1]
    for line in $answer[2,-1]; do
        line=${line//:/\\:}
        line=${line/$'\t'/:}
        if [[ ${line%%:*} == *= ]]; then open+=("$line"); else closed+=("$line"); fi
    done
    if [[ $also == command* ]]; then
        (( CURRENT -= ${also#command } ))
        shift ${also#command } words
        _normal
        return
    fi
    local ret=1
    (( $#open )) && _describe -V streamcli open -S '' && ret=0
    (( $#closed )) && _describe -V streamcli closed && ret=0
    if [[ $also == (files|directories) ]]; then
        [[ $PREFIX == --*=* ]] && compset -P '*='
        if [[ $also == files ]]; then _files && ret=0; else _directories && ret=0; fi
    fi
    return ret
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _streamcli "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
    compdef _streamcli streamcli
fi
