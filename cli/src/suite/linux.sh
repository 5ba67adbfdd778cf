# Runs in the guest. For each check it prints `CHECK name ok`, or `CHECK name FAILED reason`.
# Set before it: VCPUS (how many there should be), EPOCH (UNIX time of the host at the start).

check() {
    why=$("$1")
    if [ -z "$why" ]; then echo "CHECK $1 ok"; else echo "CHECK $1 FAILED" $why; fi
}

uname_says_arm64() {
    [ "$(uname -m)" = aarch64 ] || uname -a
}
nproc_is_vcpus() {
    [ "$(nproc)" = "$VCPUS" ] || echo "nproc: $(nproc), wanted: $VCPUS"
}
psci_is_1_1() {
    dmesg | grep -q 'PSCIv1\.[1-9]' || dmesg | grep -i psci
}
sleep_takes_its_time() {
    cut -d' ' -f1 /proc/uptime > /tmp/a; sleep 1; cut -d' ' -f1 /proc/uptime > /tmp/b
    awk -v a="$(cat /tmp/a)" -v b="$(cat /tmp/b)" 'BEGIN { if (b - a < 0.98 || b - a > 60) print "sleep 1 took", b - a }'
}
clock_is_the_hosts() {
    late=$(($(cat /sys/class/rtc/rtc0/since_epoch) - EPOCH))
    [ "$late" -ge -5 ] && [ "$late" -lt 300 ] || echo "the RTC is off by $late s"
}
timer_ticks_on_each_cpu() {
    awk -v n="$VCPUS" '/arch_timer/ { seen = 1; for (i = 2; i < n + 2; i++) if ($i < 1) print "CPU" i - 2 ": none" }
        END { if (!seen) print "no arch_timer" }' /proc/interrupts
}
ipis_arrive() {
    [ "$VCPUS" = 1 ] && return
    awk -v n="$VCPUS" '/^ *IPI[0-9]+:/ { for (i = 2; i < n + 2; i++) sum[i] += $i }
        END { for (i = 2; i < n + 2; i++) if (sum[i] < 1) print "CPU" i - 2 ": none" }' /proc/interrupts
}
no_spurious_interrupts() {
    awk '/^Err:/ { if ($2 > 0) print $2 }' /proc/interrupts
}
stress_gives_right_results() {
    for i in $(seq $((VCPUS * 2))); do
        (
            dd if=/dev/zero bs=64k count=64 2>/dev/null | sha256sum
            awk 'BEGIN { for (i = 1; i < 50000; i++) s += 1 / (i * i); printf "%.12f\n", s }'
            for j in $(seq 40); do /bin/true || echo "true is false"; done
        ) > /tmp/stress$i &
    done
    wait
    [ "$(cat /tmp/stress* | sort -u | wc -l)" = 2 ] || cat /tmp/stress* | sort | uniq -c
}
cpus_go_off_and_on() {
    [ "$VCPUS" = 1 ] && return
    cd /sys/devices/system/cpu
    for cpu in $(seq $((VCPUS - 1))); do
        echo 0 > cpu$cpu/online || echo "cpu$cpu does not go off"
    done
    [ "$(cat online)" = 0 ] || echo "online after off: $(cat online)"
    for cpu in $(seq $((VCPUS - 1))); do
        echo 1 > cpu$cpu/online || echo "cpu$cpu does not come on"
    done
    [ "$(cat online)" = "0-$((VCPUS - 1))" ] || echo "online after on: $(cat online)"
    taskset $((1 << (VCPUS - 1))) true || echo "the last CPU runs nothing"
}
suspends_and_wakes() {
    grep -q deep /sys/power/mem_sleep || { echo "no SYSTEM_SUSPEND: $(cat /sys/power/mem_sleep)"; return; }
    echo deep > /sys/power/mem_sleep
    before=$(cat /sys/class/rtc/rtc0/since_epoch)
    echo +3 > /sys/class/rtc/rtc0/wakealarm || echo "the RTC takes no alarm"
    echo mem > /sys/power/state || echo "it does not suspend"
    slept=$(($(cat /sys/class/rtc/rtc0/since_epoch) - before))
    [ "$slept" -ge 2 ] && [ "$slept" -lt 60 ] || echo "it slept $slept s"
}
kernel_has_no_complaint() {
    dmesg | grep -E 'BUG|Oops|rcu.*stall|Call trace|WARNING:|unable to handle|soft lockup' | head -3
}

for name in uname_says_arm64 nproc_is_vcpus psci_is_1_1 sleep_takes_its_time clock_is_the_hosts \
    stress_gives_right_results timer_ticks_on_each_cpu ipis_arrive no_spurious_interrupts \
    cpus_go_off_and_on suspends_and_wakes kernel_has_no_complaint; do
    check $name
done
