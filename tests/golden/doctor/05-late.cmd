doctor -c tcp.conf --postconf late.postconf
