# Sourced by the rules: files PATTERN... lists the tree's own files, relative to $root, that match one
# of the name patterns. Build folders, runs and hidden folders are not the tree.

files()
{
    names=
    for pattern in "$@"; do
        names="$names${names:+ -o }-name $pattern"
    done
    # The patterns must reach find as they are, and the expression must be split into words.
    set -f
    (cd "$root" && find . \( -path ./build -o -path ./runs -o -path './.?*' \) -prune -o \
        -type f \( $names \) -print) | sed 's|^\./||' | LC_ALL=C sort
    set +f
}

# report WHAT FILE-OF-FINDINGS: the verdict of a rule.
report()
{
    if [ -s "$2" ]; then
        echo "lint: $1"
        cat "$2"
        exit 1
    fi
}

findings=$(mktemp)
trap 'rm -f "$findings"' EXIT
