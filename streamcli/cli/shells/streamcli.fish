# Completion of streamcli for fish, made by `streamcli completion fish`.

function __streamcli_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program (string replace -r '^~/' $HOME/ -- $words[1])
    set -l answer (_STREAMCLI_COMPLETE=fish $program $words[2..-1] (string unescape -- $current; or echo -- $current) 2> /dev/null)
    string join \n -- $answer[2..-1]
    set -l prefix (string match -r -- '^--[a-z-]+=' $current)
    set -l partial (string replace -r -- '^--[a-z-]+=' '' $current)
    switch "$answer[1]"
        case files
            printf "$prefix%s\n" (complete -C "'' $partial")
        case directories
            printf "$prefix%s\n" (__fish_complete_directories $partial '')
        case 'command *'
            set -l first (math (string replace 'command ' '' -- $answer[1]) + 1)
            complete -C (string join ' ' -- (string escape -- $words[$first..-1]) $current)
    end
end

complete -c streamcli -f -a '(__streamcli_complete)'
