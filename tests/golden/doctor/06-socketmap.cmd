doctor -c good.conf --postconf sockmap.postconf
