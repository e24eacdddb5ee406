# One life of a node between two power cuts. NODE, FIELDPOST and BROKER are paths; BROKER_S is how many seconds the
# broker stays (0: there is none).
mount -t ext4 -o noatime /dev/ubda /mnt/disk || exit 2

# What the last cut left. A sync, because a cut of this guest loses what its results folder has not been given yet.
: >/mnt/results/survivors
if [ -d /mnt/disk/outbox ]; then
  $NODE $FIELDPOST buffer export --all --path /mnt/disk/outbox >/mnt/results/survivors || exit 3
fi
busybox fsync /mnt/results/survivors

if [ "$BROKER_S" != 0 ]; then
  # Straight to the console: what waited in a pipe of the guest's would be lost by the cut, and what the broker has
  # acknowledged would count as missing.
  $NODE $BROKER "$BROKER_S" /run/broker-listens &
  until [ -e /run/broker-listens ]; do busybox usleep 5000; done
fi

echo "the node starts"
# Through a pipe, so that the log is the one for machines.
$NODE $FIELDPOST run --config /mnt/results/fieldpost.yaml 2>&1 | cat
