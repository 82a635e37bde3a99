# Tab completion for `python -m src.train` in bash: source this file from anywhere,
# then type in the project's root. Hydra completes `python script.py` only, so this asks it
# in the form that it knows. Other uses of python complete file names as before.
_train_completion() {
    local words
    read -r -a words <<<"${COMP_LINE:0:COMP_POINT}"
    if [[ "${words[1]:-}" != -m || "${words[2]:-}" != src.train ]]; then
        return
    fi
    local typed="${COMP_LINE#*src.train}"
    local word="${typed##* }"
    local choices
    choices=$(COMP_LINE="python train.py${typed}" "${words[0]}" -m src.train -sc query=bash 2>/dev/null)
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}

# A key and its value are one word.
COMP_WORDBREAKS=${COMP_WORDBREAKS//=/}
complete -o nospace -o bashdefault -o default -F _train_completion python python3 .venv/bin/python
