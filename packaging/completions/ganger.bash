# bash completion for ganger(1)

_ganger_pools() {
    ganger -q --timeout 1s pools 2>/dev/null | awk 'NR > 1 { print $1 }'
}

_ganger_semaphores() {
    ganger -q --timeout 1s sem list 2>/dev/null | awk 'NR > 1 { print $1 }'
}

_ganger() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local global="--socket --json --timeout --quiet --help --version"
    local task="--wait-room --durable --not-durable --priority --delay --at --limit --kill-grace
        --expires --attempts --backoff --backoff-max --jitter --crash-budget --retention --needs"
    local args="--string --json-args --bare"
    local commands="map run exec submit wait result status why cancel forget pools pool sem ping
        stats"
    local command="" options="" words=0 i word

    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        --) return ;;
        -*) ;;
        =) ;;
        *)
            # The argument of an option is no word of the command.
            case ${COMP_WORDS[i-1]} in
            --socket | --timeout | --priority | --delay | --at | --limit | --kill-grace | \
                --expires | --attempts | --backoff | --backoff-max | --jitter | --crash-budget | \
                --retention | --needs | --chunksize | --arg | =) ;;
            *)
                if [[ -z $command ]]; then
                    command=$word
                else
                    words=$((words + 1))
                fi
                ;;
            esac
            ;;
        esac
    done

    case $prev in
    --socket)
        COMPREPLY=($(compgen -f -- "$cur"))
        return
        ;;
    --needs)
        COMPREPLY=($(compgen -W "$(_ganger_semaphores)" -- "$cur"))
        return
        ;;
    --timeout | --priority | --delay | --at | --limit | --kill-grace | --expires | --attempts | \
        --backoff | --backoff-max | --jitter | --crash-budget | --retention | --chunksize | --arg)
        return
        ;;
    esac

    case $command in
    map) options="$task $args --no-cancel --chunksize --unordered --command --arg" ;;
    run) options="$task $args --no-cancel" ;;
    exec) options="$task --no-cancel --stdin --no-stdin" ;;
    submit) options="$task $args --command" ;;
    wait) options="--no-cancel" ;;
    esac
    if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$global $options" -- "$cur"))
        return
    fi

    case $command:$words in
    :*) COMPREPLY=($(compgen -W "$commands" -- "$cur")) ;;
    pool:0) COMPREPLY=($(compgen -W "resize pause resume" -- "$cur")) ;;
    sem:0) COMPREPLY=($(compgen -W "set value list" -- "$cur")) ;;
    sem:1) COMPREPLY=($(compgen -W "$(_ganger_semaphores)" -- "$cur")) ;;
    pool:1 | pools:0 | map:0 | run:0 | exec:0 | submit:0)
        COMPREPLY=($(compgen -W "$(_ganger_pools)" -- "$cur"))
        ;;
    map:* | run:* | submit:*) COMPREPLY=($(compgen -f -- "$cur")) ;;
    esac
}

complete -F _ganger ganger
