doctor -c danger.conf --postconf danger.postconf --doveconf danger.doveconf --json
