/* cli_completion.c: what bash and zsh offer, as scripts with all names written out: completing
 * starts no program. Both have the same table, a shell function that prints the words of a
 * place, and a driver of their own. Names are of [a-z0-9_.-] alone, so they need no quoting. */
#include "runtime/cli_text.h"

#include <string.h>

#include "runtime/cfg.h"

/* The driver splits the line by itself, for bash breaks words at '=' or not, as the user set
 * it; what it offers has to begin where bash's own word begins. */
static const char bash_driver[] =
    "_pawl()\n"
    "{\n"
    "    local line=${COMP_LINE:0:COMP_POINT} words current verb previous found='' begin=''\n"
    "    read -ra words <<<\"$line\"\n"
    "    [[ $line == *[[:space:]] ]] && words+=('')\n"
    "    local last=$((${#words[@]} - 1))\n"
    "    current=${words[last]} previous=${words[last - 1]}\n"
    "    COMPREPLY=()\n"
    "    verb=${words[1]}\n"
    "    if ((last > 2)) && [[ -n $(_pawl_words \"verbs $verb\") ]]; then\n"
    "        verb+=\" ${words[2]}\"\n"
    "    fi\n"
    "    if ((last == 1)); then\n"
    "        found=\"$(_pawl_words verbs) --help --version\"\n"
    "    elif ((last == 2)) && [[ -n $(_pawl_words \"verbs $verb\") ]]; then\n"
    "        found=\"$(_pawl_words \"verbs $verb\") --help\"\n"
    "    elif [[ $current == *=* ]]; then\n"
    "        begin=${current%%=*}= current=${current#*=}\n"
    "        found=$(_pawl_values \"$verb\" \"${begin%=}\")\n"
    "        [[ $COMP_WORDBREAKS == *=* ]] && begin=\n"
    "    elif [[ $previous == -* && -n $(_pawl_values \"$verb\" \"$previous\") ]]; then\n"
    "        found=$(_pawl_values \"$verb\" \"$previous\")\n"
    "    elif [[ $current == -* ]]; then\n"
    "        found=\"$(_pawl_words \"options $verb\") $(_pawl_keys \"$verb\" --)\"\n"
    "    else\n"
    "        found=$(_pawl_words \"operands $verb\")\n"
    "        [[ -n $current ]] && found+=\" $(_pawl_keys \"$verb\" '')\"\n"
    "        [[ $verb == help && -n $(_pawl_words \"verbs $previous\") ]] &&\n"
    "            found=$(_pawl_words \"verbs $previous\")\n"
    "    fi\n"
    "    COMPREPLY=($(compgen -P \"$begin\" -W \"$found\" -- \"$current\"))\n"
    "    if [[ ${#COMPREPLY[@]} -gt 0 && ${COMPREPLY[0]} == *= ]]; then\n"
    "        compopt -o nospace 2>/dev/null\n"
    "    elif [[ ${#COMPREPLY[@]} -eq 0 && $(_pawl_words \"files $verb\") == yes ]]; then\n"
    "        compopt -o filenames 2>/dev/null\n"
    "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
    "    fi\n"
    "}\n"
    "complete -F _pawl pawl\n";

static const char zsh_driver[] =
    "_pawl()\n"
    "{\n"
    "    local current=$PREFIX verb=$words[2] previous=$words[CURRENT-1] found=''\n"
    "    if ((CURRENT > 3)) && [[ -n $(_pawl_words \"verbs $verb\") ]]; then\n"
    "        verb+=\" $words[3]\"\n"
    "    fi\n"
    "    if ((CURRENT == 2)); then\n"
    "        found=\"$(_pawl_words verbs) --help --version\"\n"
    "    elif ((CURRENT == 3)) && [[ -n $(_pawl_words \"verbs $verb\") ]]; then\n"
    "        found=\"$(_pawl_words \"verbs $verb\") --help\"\n"
    "    elif [[ $current == *=* ]]; then\n"
    "        found=$(_pawl_values \"$verb\" \"${current%%=*}\")\n"
    "        compset -P '*='\n"
    "    elif [[ $previous == -* && -n $(_pawl_values \"$verb\" \"$previous\") ]]; then\n"
    "        found=$(_pawl_values \"$verb\" \"$previous\")\n"
    "    elif [[ $current == -* ]]; then\n"
    "        found=\"$(_pawl_words \"options $verb\") $(_pawl_keys \"$verb\" --)\"\n"
    "    else\n"
    "        found=$(_pawl_words \"operands $verb\")\n"
    "        [[ $verb == help && -n $(_pawl_words \"verbs $previous\") ]] &&\n"
    "            found=$(_pawl_words \"verbs $previous\")\n"
    "        [[ -n $current ]] && found+=\" $(_pawl_keys \"$verb\" '')\"\n"
    "        [[ $(_pawl_words \"files $verb\") == yes ]] && _files\n"
    "    fi\n"
    "    compadd -S '' -- ${(M)${=found}:#*=}\n"
    "    compadd -- ${${=found}:#*=}\n"
    "}\n"
    "if [[ $funcstack[1] == _pawl ]]; then _pawl \"$@\"; else compdef _pawl pawl; fi\n";

/* Both drivers ask through these. */
static const char common[] =
    "_pawl_values()\n" /* VERB NAME: what the option or key may be */
    "{\n"
    "    local found=$(_pawl_words \"values $1 $2\")\n"
    "    [[ -z $found && -n $(_pawl_words \"keys $1\") ]] && "
    "found=$(_pawl_words \"value ${2#--}\")\n"
    "    echo \"$found\"\n"
    "}\n"
    "_pawl_keys()\n" /* VERB DASHES: the keys that it takes, as they are typed */
    "{\n"
    "    [[ -n $(_pawl_words \"keys $1\") ]] && _pawl_words keys | tr ' ' '\\n' | "
    "sed \"s/^/$2/;s/\\$/=/\"\n"
    "}\n";

static void print_words(FILE *out, const char *const *words)
{
    for (const char *const *word = words; *word; word++)
        fprintf(out, " %s", *word);
}

/* The second words of a group's verbs; of all verbs the first words for NULL. */
static void print_verb_words(const struct pawl_cli_program *program,
                             const struct pawl_cli_verb *group, FILE *out)
{
    for (const struct pawl_cli_verb *const *verb = program->verbs; *verb; verb++)
        if (group ? pawl_cli_is_member(*verb, group) : !strchr((*verb)->name, ' '))
            fprintf(out, " %s", (*verb)->name + (group ? strlen(group->name) + 1 : 0));
}

static void print_table_words(const struct pawl_cli_program *program, FILE *out)
{
    for (const struct pawl_cfg_table *const *table = program->tables; *table; table++)
        fprintf(out, " %s", (*table)->name);
}

static bool is_verb(const struct pawl_cli_program *program, const char *name)
{
    for (const struct pawl_cli_verb *const *verb = program->verbs; *verb; verb++)
        if (strcmp((*verb)->name, name) == 0)
            return true;
    return false;
}

/* Verbs and tables; a name that both have, once. */
static void print_topic_words(const struct pawl_cli_program *program, FILE *out)
{
    print_verb_words(program, NULL, out);
    for (const struct pawl_cfg_table *const *table = program->tables; *table; table++)
        if (!is_verb(program, (*table)->name))
            fprintf(out, " %s", (*table)->name);
}

static void print_operands(const struct pawl_cli_program *program,
                           const struct pawl_cli_verb *verb, FILE *out)
{
    if (verb->operand_type == PAWL_CLI_OPERAND_FILE) {
        fprintf(out, "    'files %s') echo yes ;;\n", verb->name);
        return;
    }
    fprintf(out, "    'operands %s') echo", verb->name);
    if (verb->operand_choices)
        print_words(out, verb->operand_choices);
    if (verb->operand_type == PAWL_CLI_OPERAND_TOPIC)
        print_topic_words(program, out);
    if (verb->operand_type == PAWL_CLI_OPERAND_TABLE)
        print_table_words(program, out);
    fputs(" ;;\n", out);
}

static void print_verb(const struct pawl_cli_program *program, const struct pawl_cli_verb *verb,
                       FILE *out)
{
    if (pawl_cli_is_group(verb)) {
        fprintf(out, "    'verbs %s') echo", verb->name);
        print_verb_words(program, verb, out);
        fputs(" ;;\n", out);
        return;
    }
    fprintf(out, "    'options %s') echo", verb->name);
    for (size_t i = 0; i < verb->option_count; i++)
        fprintf(out, " --%s%s", verb->options[i].name, verb->options[i].value ? "=" : "");
    fputs(" --help ;;\n", out);
    print_operands(program, verb, out);
    for (size_t i = 0; i < verb->option_count; i++) {
        if (!verb->options[i].choices)
            continue;
        fprintf(out, "    'values %s --%s') echo", verb->name, verb->options[i].name);
        print_words(out, verb->options[i].choices);
        fputs(" ;;\n", out);
    }
    if (!verb->takes_config)
        return;
    fprintf(out, "    'keys %s') echo yes ;;\n    'values %s --help') echo all", verb->name,
            verb->name);
    print_table_words(program, out);
    fputs(" ;;\n", out);
}

static void print_keys(const struct pawl_cli_program *program, FILE *out)
{
    fputs("    keys) echo", out);
    for (const struct pawl_cfg_table *const *table = program->tables; *table; table++)
        for (size_t i = 0; i < (*table)->row_count; i++)
            fprintf(out, " %s", (*table)->rows[i].key);
    fputs(" ;;\n", out);
    for (const struct pawl_cfg_table *const *table = program->tables; *table; table++) {
        for (size_t i = 0; i < (*table)->row_count; i++) {
            const struct pawl_cfg_row *row = &(*table)->rows[i];
            if (row->type != PAWL_CFG_CHOICE && row->type != PAWL_CFG_BOOL)
                continue;
            fprintf(out, "    'value %s') echo", row->key);
            if (row->type == PAWL_CFG_CHOICE)
                print_words(out, row->choices);
            else
                fputs(" true false", out);
            fputs(" ;;\n", out);
        }
    }
}

/* PLACE -> the words that fit there, on one line. */
static void print_table(const struct pawl_cli_program *program, FILE *out)
{
    fputs("_pawl_words()\n{\n    case $1 in\n    verbs) echo", out);
    print_verb_words(program, NULL, out);
    fputs(" ;;\n", out);
    for (const struct pawl_cli_verb *const *verb = program->verbs; *verb; verb++)
        print_verb(program, *verb, out);
    print_keys(program, out);
    fputs("    esac\n}\n", out);
}

void pawl_cli_print_completion_bash(const struct pawl_cli_program *program, FILE *out)
{
    fprintf(out, "# bash completion of %s %s; load it with: source <(%s completion bash)\n",
            program->name, program->version, program->name);
    print_table(program, out);
    fputs(common, out);
    fputs(bash_driver, out);
}

void pawl_cli_print_completion_zsh(const struct pawl_cli_program *program, FILE *out)
{
    fprintf(
        out,
        "#compdef %s\n# zsh completion of %s %s; load it with: source <(%s completion zsh)\n",
        program->name, program->name, program->version, program->name);
    print_table(program, out);
    fputs(common, out);
    fputs(zsh_driver, out);
}

static const char *const shells[] = {"bash", "zsh", NULL};

static int run_completion(struct pawl_cli *cli, int argc, char **argv)
{
    (void)argc;
    if (strcmp(argv[0], "bash") == 0)
        pawl_cli_print_completion_bash(cli->program, cli->out);
    else
        pawl_cli_print_completion_zsh(cli->program, cli->out);
    return PAWL_EXIT_DONE;
}

const struct pawl_cli_verb pawl_verb_completion = {
    .name = "completion",
    .help = "Print the completion script of a shell.",
    .operands = "bash|zsh",
    .operand_choices = shells,
    .details = "Load it with: source <(pawl completion bash). The installed program brings the "
               "scripts along where shells look for them.",
    .operand_min = 1,
    .operand_max = 1,
    .run = run_completion,
};
