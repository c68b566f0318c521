# Words are split at blanks, whatever breaks words for bash. Where = is such a break, what stands before it is no part of
# the answer. The words themselves are in variables and functions above.

_recbole_idp_datasets() {
    local folder name
    echo "$RECBOLE_IDP_DATASETS"
    for folder in "$1"/*/; do
        name="${folder%/}"
        name="${name##*/}"
        if [ -e "$folder$name.inter" ]; then echo "$name"; fi
    done
}

_recbole_idp_offer() {  # words; before each: $offered_before, after each: $offered_after
    local word
    for word in $1; do
        case "$word" in
            "$offered_last"*) COMPREPLY+=("$offered_before$word$offered_after") ;;
        esac
    done
}

_recbole_idp_value() {  # key, what is written of its value
    local words file head=""
    case " $RECBOLE_IDP_LISTED " in
        *" $1 "*) case "$2" in *,*) head="${2%,*}," ;; esac; offered_after="" ;;
        *) offered_after=" " ;;
    esac
    offered_last="${2#"$head"}"
    offered_before="$offered_before$head"
    case " $RECBOLE_IDP_NAME_DATASETS " in
        *" $1 "*) words="$(_recbole_idp_datasets "$data_path")" ;;
        *) words="$(_recbole_idp_choices "$task/$model/$1")" ;;
    esac
    if [ -n "$words" ]; then
        _recbole_idp_offer "$words"
        return
    fi
    for file in "$2"*; do
        if [ -d "$file" ]; then COMPREPLY+=("$offered_before$(printf '%q' "$file")/")
        elif [ -e "$file" ]; then COMPREPLY+=("$offered_before$(printf '%q' "$file") ")
        fi
    done
}

_recbole_idp() {
    local line="${COMP_LINE:0:$COMP_POINT}" current="" word previous="" written="" task="" model="" left glob
    local data_path="dataset" offered_before="" offered_after="" offered_last=""
    COMPREPLY=()
    case "$-" in *f*) glob=off ;; *) glob=on ;; esac
    set -f
    set -- $line
    if [ "$glob" = on ]; then set +f; fi
    shift
    left=$#
    case "$line" in
        *[[:space:]]) ;;
        *) current="${line##*[[:space:]]}" left=$((left - 1)) ;;
    esac
    for word in "$@"; do
        if [ "$left" -le 0 ]; then break; fi
        left=$((left - 1))
        case "$previous $word" in
            *" --model="* | "--model "* | "-m "*) model="${word#--model=}" ;;
            *" --data_path="* | "--data_path "*) data_path="${word#--data_path=}" ;;
            *) case " $RECBOLE_IDP_TASKS " in *" $word "*) task="${task:-$word}" ;; esac ;;
        esac
        written="$written $word"
        previous="$word"
    done
    [ -n "$model" ] || model="$RECBOLE_IDP_MODEL"
    case "$current" in
        --*=*)
            case "${COMP_WORDBREAKS-}" in *=*) ;; *) offered_before="${current%%=*}=" ;; esac
            word="${current%%=*}"
            _recbole_idp_value "${word#--}" "${current#*=}"
            return ;;
    esac
    case "$previous" in
        -m) previous="--model" ;;
        -d) previous="--dataset" ;;
    esac
    case "$current/$previous" in
        -*) ;;
        */--*=*) ;;
        */--*)
            case " $RECBOLE_IDP_SWITCHES " in
                *" ${previous#--} "*) ;;
                *) _recbole_idp_value "${previous#--}" "$current"; return ;;
            esac ;;
    esac
    offered_last="$current" offered_after=" "
    case "$current" in
        -*)
            offered_last="${current#--}" offered_before="--" offered_after="="
            for word in $(_recbole_idp_keys "$task" "$model"); do
                case "$written " in
                    *" --$word="* | *" --$word "*) ;;
                    *) _recbole_idp_offer "$word" ;;
                esac
            done
            offered_after=" "
            _recbole_idp_offer "$RECBOLE_IDP_SWITCHES"
            return ;;
    esac
    if [ -z "$task" ]; then
        _recbole_idp_offer "$RECBOLE_IDP_TASKS"
    else
        _recbole_idp_offer "$(_recbole_idp_words "$task")"
    fi
}

complete -o nospace -F _recbole_idp recbole-idp
