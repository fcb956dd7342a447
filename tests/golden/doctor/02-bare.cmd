doctor -c empty.conf --postconf bare.postconf --doveconf bare.doveconf
