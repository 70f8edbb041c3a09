#!/bin/sh
# Marks a task as done, in two JSON files that change together or not at all:
#
#   complete_task.sh AGENT TASK MESSAGE
#
# `tasks.json` says of each task who has done it, `agents.json` of each agent what it has done; both are in $TASKS_DIR, or
# in the working directory. A task is completed once: later calls do nothing. Needs `resilience` and `jq`.
# shellcheck disable=SC2016 # What has a dollar sign in single quotes is of jq.
set -eu

dir=${TASKS_DIR:-.}

# Replaces the content of file $1 by what jq makes of it with the other arguments.
update() {
	file=$1
	shift
	content=$(jq "$@" "$file")
	printf '%s\n' "$content" >"$file"
}

# What `run` below calls: a plain script, which may fail or be killed at any line.
if [ "${1-}" = --update ]; then
	agent=$2 task=$3 message=$4
	if ! jq -e --arg task "$task" 'has($task)' "$dir/tasks.json" >/dev/null; then
		echo "there is no task $task in $dir/tasks.json" >&2
		exit 65
	fi
	update "$dir/tasks.json" --arg agent "$agent" --arg task "$task" --arg message "$message" \
		'.[$task] += {state: "done", agent: $agent, message: $message}'
	# It may run twice, if it is killed before its success is recorded: the second time changes nothing.
	update "$dir/agents.json" --arg agent "$agent" --arg task "$task" \
		'.[$agent].done |= ((. // []) + [$task] | unique)'
	exit
fi

if [ $# -ne 3 ] || [ -z "$2" ]; then
	echo "usage: $0 AGENT TASK MESSAGE" >&2
	exit 64
fi

# The lock is the one of `#[with_lock("task:{id}", common)]` in a program. Exit code 65 is not repeated.
exec resilience run \
	--lock "task:$2" --wait 30s \
	--checkpoint "complete:$2" --checkpoint-output none \
	--backup "$dir/tasks.json" "$dir/agents.json" --rollback \
	--retries 3 --base 500ms --retry-on 1,2,124 --timeout 30s --total-timeout 5m \
	-- "$0" --update "$1" "$2" "$3"
