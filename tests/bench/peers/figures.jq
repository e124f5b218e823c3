# From one JSON object a measurement ({kind, who, round, …}; --slurpfile all) to
# the figures. Ratios are medians of each round's ratios: both sides of one
# took turns, under the same noise.
def median: sort | .[length / 2 | floor] // empty;
def of($kind; $who): $all | map(select(.kind == $kind and .who == $who));
def ratio($kind; $who; $base; f):
	[of($kind; $who)[] | . as $m
	 | of($kind; $base)[] | select(.round == $m.round)
	 | ($m | f) / f] | select(length > 0) | median;
def med($kind; $who; f): [of($kind; $who)[] | f] | median;
def cpu_ns: [.cpu_ns[]] | add;
def rate: .answered / .seconds;
def cpu_us: cpu_ns / .answered / 1000;
def gbit: .bytes * 8 / .seconds / 1e9;
def packet_ns: cpu_ns / .delivered;
def gateway_ns: .cpu_ns.gateway / .delivered;
# nothing delivered is no rate
def pps: .delivered / cpu_ns;
def line($name; $value; $unit):
	"\($name) \($value * 10000 | round / 10000) \($unit)";

([$all[].who] | unique) as $whos
| ($whos | map(select(. == "nft" or . == "nfqueue"))) as $planes
| ($whos[] as $w
   | (select(of("keepalive"; $w) != [])
      | line("peers_keepalive_\($w)"; med("keepalive"; $w; rate); "1/s"),
	line("peers_keepalive_cpu_\($w)"; med("keepalive"; $w; cpu_us); "us")),
     (select(of("newconn"; $w) != [])
      | line("peers_newconn_\($w)"; med("newconn"; $w; rate); "1/s"),
	line("peers_newconn_cpu_\($w)"; med("newconn"; $w; cpu_us); "us")),
     (select(of("bulk"; $w) != [])
      | line("peers_bulk_\($w)"; med("bulk"; $w; gbit); "Gbit/s")),
     (select(of("pps"; $w) != [])
      | line("peers_packet_\($w)"; med("pps"; $w; packet_ns); "ns")),
     (select(of("ab"; $w) != [])
      | line("peers_ab_\($w)"; med("ab"; $w; .ms); "ms"))),
  (($whos - ["forward"])[] as $p
   | line("\($p)_keepalive_ratio"; ratio("keepalive"; $p; "forward"; rate); "ratio"),
     line("\($p)_newconn_ratio"; ratio("newconn"; $p; "forward"; rate); "ratio"),
     line("\($p)_bulk_gso_ratio"; ratio("bulk"; $p; "forward"; gbit); "ratio")),
  ($planes[] as $p
   | line("\($p)_keepalive_vs_haproxy"; ratio("keepalive"; $p; "haproxy"; rate); "ratio"),
     line("\($p)_cpu_per_conn_vs_haproxy"; ratio("newconn"; $p; "haproxy"; cpu_us); "ratio"),
     line("\($p)_bulk_vs_haproxy"; ratio("bulk"; $p; "haproxy"; gbit); "ratio"),
     line("\($p)_pps_vs_dnat_map"; ratio("pps"; $p; "dnat"; pps); "ratio"),
     line("\($p)_ab_added_ms"; med("ab"; $p; .ms) - med("ab"; "forward"; .ms); "ms")),
  (select($planes | index("nfqueue"))
   | line("nfqueue_ns_per_packet"; med("pps"; "nfqueue"; gateway_ns); "ns")),
  line("nft_established_24_vs_65000"; ratio("pps"; "nft65000"; "nft"; packet_ns); "ratio"),
  line("ab_grown_kb"; [$all[] | .grown_kb // 0] | max; "kB"),
  line("peers_failed_requests"; [$all[] | .failed // 0] | add; "count")
