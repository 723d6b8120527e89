module pilotlight/bench/gateway/gauge

go 1.22
