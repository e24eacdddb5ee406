# A board without a battery clock and without a network: 1970, then hours later both.
busybox date -u -s @100 >/dev/null
$NODE $FIELDPOST run --config /mnt/results/fieldpost.yaml >/mnt/results/node.log 2>&1 &
node=$!
busybox sleep $((BLIND_S))
echo "blind for $BLIND_S s, and it is $(busybox date -u +%s)"
$PYTHON $SET_CLOCK $NOW_S || exit 3
busybox sleep 60
$NODE $BROKER 100000 /run/broker-listens &
busybox sleep $((SEEING_S))
kill -TERM $node
wait $node
echo "the node ended with $?, and it is $(busybox date -u +%s)"
