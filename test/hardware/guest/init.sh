#!/bin/sh
# The guest's first process: the host's own file system, read-only, with fresh system folders over it; then the job.
# From the kernel's command line: RESULTS, a folder of the host that appears as /mnt/results and holds the job.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/run TMPDIR=/run

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null # the kernel may have done so itself
mount -t tmpfs run /run
mount -t configfs config /sys/kernel/config
mount -t tracefs trace /sys/kernel/tracing
mount -t tmpfs mnt /mnt
mkdir /mnt/results /mnt/disk
mount -t hostfs results /mnt/results -o "$RESULTS"
busybox ip link set lo up

sh /mnt/results/job.sh
echo $? >/mnt/results/exit
busybox poweroff -f
