# One life of a node between two power cuts. NODE, BUNDLE and WITNESS are paths; BROKER is how many seconds the broker
# stays (empty: there is none).
mount -t ext4 -o noatime /dev/ubda /mnt/disk || exit 2

# What the last cut left. A sync, because a cut of this guest loses what its results folder has not been given yet.
: >/mnt/results/survivors
if [ -d /mnt/disk/outbox ]; then
  $NODE $BUNDLE buffer export --all --path /mnt/disk/outbox >/mnt/results/survivors || exit 3
fi
busybox fsync /mnt/results/survivors

if [ -n "$BROKER" ]; then
  mosquitto -c /mnt/results/mosquitto.conf &
  mosquitto=$!
  $NODE "$WITNESS" 1883 /run/listening &
  until [ -e /run/listening ]; do busybox sleep 0.02; done
  busybox sleep "$BROKER" && kill $mosquitto &
fi

echo "the node starts"
# Through a pipe, so that the log is the one for machines.
$NODE $BUNDLE run --config /mnt/results/fieldpost.yaml 2>&1 | cat
