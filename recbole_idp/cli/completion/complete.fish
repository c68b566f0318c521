function __recbole_idp_datasets
    printf '%s\n' $__recbole_idp_datasets
    for folder in $argv[1]/*/
        set -l name (basename $folder)
        test -e $folder$name.inter; and echo $name
    end
end

function __recbole_idp_value # task, model, key, what is written of its value, what stands before it
    set -l head ''
    if contains -- $argv[3] $__recbole_idp_listed; and string match -q '*,*' -- $argv[4]
        set head (string match -r '^.*,' -- $argv[4])
    end
    set -l words
    if contains -- $argv[3] $__recbole_idp_name_datasets
        set words (__recbole_idp_datasets $argv[6])
    else
        set words (__recbole_idp_choices "$argv[1]/$argv[2]/$argv[3]")
    end
    if test -n "$words"
        printf '%s\n' $argv[5]$head$words
    else
        for path in (__fish_complete_path $argv[4])
            echo $argv[5]$path
        end
    end
end

function __recbole_idp
    set -l current (commandline -ct)
    set -l task
    set -l model
    set -l data_path dataset
    set -l previous
    set -l written
    for word in (commandline -opc)[2..-1]
        switch "$previous $word"
            case '* --model=*' '--model *' '-m *'
                set model (string replace -- --model= '' $word)
            case '* --data_path=*' '--data_path *'
                set data_path (string replace -- --data_path= '' $word)
            case '*'
                if test -z "$task"; and contains -- $word $__recbole_idp_tasks
                    set task $word
                end
        end
        set -a written (string replace -r '=.*' '' -- $word)
        set previous $word
    end
    test -n "$model"; or set model $__recbole_idp_model
    if string match -q -- '--*=*' $current
        set -l parts (string split -m 1 = -- $current)
        __recbole_idp_value "$task" $model (string sub -s 3 -- $parts[1]) "$parts[2]" $parts[1]= $data_path
        return
    end
    switch "$previous"
        case -m
            set previous --model
        case -d
            set previous --dataset
    end
    if string match -q -- '--*' "$previous"; and not string match -q -- '*=*' $previous; and not string match -q -- '-*' "$current"
        if not contains -- (string sub -s 3 -- $previous) $__recbole_idp_switches
            __recbole_idp_value "$task" $model (string sub -s 3 -- $previous) "$current" '' $data_path
            return
        end
    end
    if string match -q -- '-*' "$current"
        for key in (__recbole_idp_keys "$task" $model)
            contains -- --$key $written; or echo --$key=
        end
        printf '%s\n' --$__recbole_idp_switches
    else if test -z "$task"
        printf '%s\n' $__recbole_idp_tasks
    else
        __recbole_idp_words $task
    end
end

complete -c recbole-idp -f -a '(__recbole_idp)'
