"""Does what a time daemon does when it has found out the time: steps the clock and tells the kernel that it is kept."""
import ctypes, struct, sys, time

# struct timex (adjtimex(2)) on 64-bit Linux: modes, offset, freq, maxerror, esterror, status
ADJ_MAXERROR, ADJ_STATUS, STA_PLL = 0x0004, 0x0010, 0x0001
time.clock_settime(time.CLOCK_REALTIME, float(sys.argv[1]))
timex = ctypes.create_string_buffer(struct.pack("=i4xqqqqi", ADJ_MAXERROR | ADJ_STATUS, 0, 0, 10000, 0, STA_PLL), 256)
if ctypes.CDLL(None, use_errno=True).adjtimex(timex) == -1:
    sys.exit(f"adjtimex: errno {ctypes.get_errno()}")
