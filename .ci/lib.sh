# SPDX-License-Identifier: GPL-2.0-or-later
# Shell functions of the build scripts.  All run at the top of the checkout.
# shellcheck shell=bash

die() {
    echo "baton: $*" >&2
    exit 1
}

# Hold an exclusive lock until this script ends.
lock() {
    local fd
    exec {fd}>"$1"
    flock -n "$fd" && return
    echo "Waiting for another make that holds $1"
    flock "$fd"
}

# First 16 hex digits of the hash of standard input.
short_hash() {
    sha256sum | cut -c1-16
}

# Hash of the names and the contents of files.
files_hash() {
    sha256sum -- "$@" | short_hash
}

# What tells the state of a source tree apart. One that .ci/fetch unpacked stays as it is.
tree_state() {
    echo "$1"
    [[ $1 == "$(realpath "$BATON_CACHE")"/src/* ]] ||
        find "$1" -name .git -prune -o -type f -printf '%P %s %T@\n' | LC_ALL=C sort
}

# Remove all but the N most recently used directories below a folder.
keep_newest() {
    local n=$1 folder=$2
    find "$folder" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %p\0' |
        sort -zrn | tail -zn +$((n + 1)) | cut -zd' ' -f2- | xargs -0r rm -rf
}

# Make a tree of hard links to another one, and apply the patches that it does
# not have yet, which does not touch the other.
# usage: link_tree SOURCE NEW PATCH...
link_tree() {
    local source=$1 new=$2 hook
    rm -rf "$new"
    cp -al "$source" "$new" 2>/dev/null || {
        rm -rf "$new"
        cp -a "$source" "$new"
    }
    rm -rf "$new/.git"
    for hook in "${@:3}"; do
        patch -d "$new" -p1 -R --dry-run -sf <"$hook" >/dev/null && continue
        patch -d "$new" -p1 --no-backup-if-mismatch <"$hook" || die "$hook does not apply to $source"
    done
}

use_ccache() {
    export CCACHE_DIR=$BATON_CACHE/ccache CCACHE_BASEDIR=$1 CCACHE_NOHASHDIR=1
}
