#!/bin/bash
# Runs in the SDK as root, as the first process of a mount and a PID namespace of its own: when it
# ends, whatever way, every process and mount that it made is gone. sysextlib/install/emerge.py
# starts it and says in the environment what is what; the arguments are those of emerge.
#
# MODE "merge" installs binary packages over a base image; "build" makes binary packages from source
# in the board's own root, into the folder PACKAGES.
#
# Standard input: INPUT_SIZE bytes of a tar with package.use, var/db/pkg of what counts as installed
# and the keys of kernel modules, then nothing until the caller hangs up, which ends this. Standard output: the layer
# that emerge wrote, as a tar. Standard error: the log. A line that begins with "@" is for the caller.
# shellcheck disable=SC2153 # the variables in capitals are the environment's
set -euo pipefail
umask 022
exec 3>&1 1>&2

fault() {
    echo "@$*"
    exit 1
}
trap 'exit 143' TERM

# Overlayfs takes no upper folder that lies on an overlay itself, as a container's own files do.
mkdir -p "$SCRATCH"
if [[ $(stat -f -c %T "$SCRATCH") == overlay* ]]; then
    mount -t tmpfs -o mode=0700 build_sysext "$SCRATCH" || fault no-mount tmpfs
fi
here=$(mktemp -d "$SCRATCH/build.XXXXXXXX")
chmod 755 "$here"
clean() {
    if (($$ == 1)); then
        kill -KILL -1 2>/dev/null || true # all of this PID namespace but its first process
    fi
    umount --recursive "$here" 2>/dev/null || true
    rm -rf --one-file-system "$here" 2>/dev/null || true
}
trap clean EXIT
mkdir "$here"/{given,upper,work,tmp}
# Private keys are among what is given: they lie in memory only, and go with this script.
mount -t tmpfs -o mode=0700 build_sysext "$here/given" || fault no-mount tmpfs
head -c "$INPUT_SIZE" | tar -x -C "$here/given"
{
    cat >/dev/null
    kill -TERM $$
} <&0 3>&- &
disown # it is killed in the end, of which bash need not tell

# $1: a squashfs, $2: the folder that is to show what it holds.
show() {
    mkdir -p "$2"
    if ! mount -t squashfs -o loop,ro,nodev "$1" "$2" 2>/dev/null; then
        rmdir "$2"
        unpack "$1" "$2"
    fi
}

unpack() {
    unsquashfs -no-progress -quiet -xattrs-exclude '^security\.selinux' -d "$2" "$1" \
        >"$here/unsquashfs.log" 2>&1 || { tail -n 5 "$here/unsquashfs.log"; fault no-base "$1"; }
}

# The base, unpacked once for all builds on it. A lock beside each copy is held, shared, while it is
# in use, so that only copies without a user are removed to keep their number small.
base() {
    local kept=$BASES/$DIGEST
    exec 8>"$BASES/lock" 9>"$BASES/$DIGEST.lock"
    flock 8
    flock --shared 9
    if [[ ! -d $kept ]]; then
        echo "@unpacking base"
        rm -rf "$BASES/new"
        unpack "$BASE" "$BASES/new"
        mv "$BASES/new" "$kept"
        local old
        # shellcheck disable=SC2012 # the names are digests
        for old in $(ls -td "$BASES"/*.lock | tail -n +3); do
            [[ $old -ef $BASES/$DIGEST.lock ]] && continue
            flock --exclusive --nonblock "$old" rm -rf "${old%.lock}" "$old" || true
        done
    fi
    flock --unlock 8
    ln -s "$kept" "$here/base"
}

# Lay a new layer over the base and all that counts as installed, and show both as $root.
overlay() {
    if [[ -n $BASES ]]; then
        base
    else
        show "$BASE" "$here/base"
    fi

    # The base lies lowest; a package database above another one is the newer.
    lower=$here/base
    local number=0 image
    while IFS= read -r image; do
        [[ -n $image ]] || continue
        number=$((number + 1))
        show "$image" "$here/pkginfo$number"
        lower=$here/pkginfo$number:$lower
    done <<<"$PKGINFO"
    [[ -d $here/given/below ]] && lower=$here/given/below:$lower

    # No redirects, indexes or references to lower files: the upper layer is read without the lower
    # one. In the user namespace of an engine without root there are no redirects, and it may not be
    # said that there should be none.
    root=$here/$ROOT_NAME
    mkdir "$root"
    local layers=lowerdir=$lower,upperdir=$here/upper,workdir=$here/work
    layers+=,metacopy=off,index=off,xino=off
    mount -t overlay build_sysext "$root" -o "$layers,redirect_dir=off" 2>/dev/null ||
        mount -t overlay build_sysext "$root" -o "$layers" || fault no-mount overlay
}

# Show the binary packages as $packages.
own_packages() {
    # Portage writes notes into PKGDIR, which belongs to others: they end in a layer of ours.
    packages=$here/packages
    if [[ -n $PACKAGES ]]; then
        mkdir "$here"/packages "$here"/packages-{upper,work}
        mount -t overlay build_sysext "$here/packages" \
            -o "lowerdir=$PACKAGES,upperdir=$here/packages-upper,workdir=$here/packages-work" ||
            fault no-mount overlay
    else
        mkdir "$here/packages"
    fi
}

config=/build/$BOARD/etc/portage
[[ -d $config ]] || fault no-board "/build/$BOARD"
cp -a "$config" "$here/portage"
if [[ -f $here/portage/package.use ]]; then
    cat "$here/given/package.use" >>"$here/portage/package.use"
else
    mkdir -p "$here/portage/package.use"
    cp "$here/given/package.use" "$here/portage/package.use/zz-build_sysext"
fi
mount --bind "$here/portage" "$config" || fault no-mount bind

mkdir "$here/logs"
touch "$here/logs.begun"
if [[ $MODE == build ]]; then
    root=/build/$BOARD
    packages=$PACKAGES
    [[ -w $packages ]] || fault read-only "$packages"
else
    overlay
    own_packages
fi

environment=(
    HOME=/root TERM=dumb NOCOLOR=true LANG=C.UTF-8
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    PKGDIR="$packages" PORTAGE_TMPDIR="$here/tmp" PORTAGE_LOGDIR="$here/logs"
    FEATURES="$FEATURES" CONFIG_PROTECT="-*" EMERGE_DEFAULT_OPTS=
)
for name in USE PORTAGE_BINHOST; do
    given=GIVEN_$name
    [[ -z ${!given:-} ]] || environment+=("$name=${!given}")
done
for file in "$here"/given/signing/*; do
    [[ ! -e $file ]] || environment+=("${file##*/}=$file")
done

# How many processes the kernel ended for want of memory, where it counts that for a container.
killed_for_memory() {
    sed -n 's/^oom_kill //p' /sys/fs/cgroup/memory{.events,/memory.oom_control} 2>/dev/null || true
}

# Run emerge for $root, and end with what the packages' own logs say when it fails.
run_emerge() {
    local code=0 killed
    killed=$(killed_for_memory)
    env -i "${environment[@]}" emerge --root="$root" --config-root="/build/$BOARD" \
        --sysroot="/build/$BOARD" "$@" </dev/null 3>&- 8>&- 9>&- &
    wait $! || code=$?
    if ((code)); then
        [[ $(killed_for_memory) == "$killed" ]] || fault no-memory
        find "$here/logs" -maxdepth 1 -name '*.log' -size +0 -exec tail -n 40 {} + || true
        fault emerge-failed "$code"
    fi
}

if [[ $MODE == build ]]; then
    run_emerge --onlydeps --buildpkg "$@"
    run_emerge --buildpkgonly "$@"
    # We are root, and the folder may be a person's.
    find "$packages" -newer "$here/logs.begun" -exec chown --no-dereference --reference="$packages" {} +
    echo "@complete"
    exit
fi
run_emerge "$@"
echo "@emerge-done"
umount "$root"
tar --create --file=- --directory="$here/upper" --format=pax --sort=name --numeric-owner \
    --pax-option=delete=atime,delete=ctime --xattrs --xattrs-include='*' . >&3
echo "@complete"
