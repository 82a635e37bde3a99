# Tab completion in bash for `tabproof …` and, in the project's root, for `python -m src.…`:
# source this file from anywhere. Other uses of python complete file names as before.
_tabproof_completion() {
    local program words reply value kind
    if [[ "${COMP_WORDS[0]##*/}" == tabproof ]]; then
        program=("${COMP_WORDS[0]}")
        words=("${COMP_WORDS[@]}")
    elif [[ "${COMP_WORDS[1]:-}" == -m && "${COMP_WORDS[2]:-}" == src.* && $COMP_CWORD -gt 2 ]]; then
        program=("${COMP_WORDS[0]}" -m tabproof)
        words=(tabproof "${COMP_WORDS[2]#src.}" "${COMP_WORDS[@]:3}")
    else
        return
    fi
    local position=$((COMP_CWORD - ${#COMP_WORDS[@]} + ${#words[@]}))
    reply=$(COMP_WORDS="${words[*]}" COMP_CWORD=$position _TABPROOF_COMPLETE=bash_complete \
        "${program[@]}" 2>/dev/null)
    COMPREPLY=()
    while IFS=, read -r kind value; do
        [[ "$kind" == plain ]] && COMPREPLY+=("$value")
    done <<<"$reply"
    # A key without its value is not finished.
    [[ "${COMPREPLY[0]:-}" == *[=./] ]] && compopt -o nospace 2>/dev/null
}

# A key and its value are one word.
COMP_WORDBREAKS=${COMP_WORDBREAKS//=/}
complete -o bashdefault -o default -F _tabproof_completion tabproof python python3 .venv/bin/python
