doctor -c proxy.conf --postconf proxy.postconf --master proxy.master
