# Sourced by ./demo and ./check: install_missing PACKAGE... installs with apt what is not there yet, and
# asks for root only then.

install_missing()
{
    missing=
    if ! command -v dpkg-query >/dev/null; then
        echo "This is not a Debian system; these packages of Debian 12 are needed: $*"
        return 0
    fi
    for package in "$@"; do
        case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
        *'ok installed') ;;
        *) missing="$missing $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0

    root=
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "Missing packages:$missing"
            echo "Neither root nor sudo here; as root: apt-get install --no-install-recommends$missing"
            exit 3
        fi
        root=sudo
    fi
    echo "Installing:$missing"
    $root apt-get update -qq
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing \
        >/dev/null || {
        echo "apt could not install:$missing"
        exit 3
    }
}

packages_build='build-essential cmake ninja-build pkg-config liburing-dev libtomlplusplus-dev libjansson-dev
    libtorch-dev libopenblas0-openmp'
packages_test='check libblas3 clang-14 libclang-rt-14-dev clang-format-14 spin mandoc zsh'
