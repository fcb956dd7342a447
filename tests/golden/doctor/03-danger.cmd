doctor -c danger.conf --postconf danger.postconf --master danger.master --doveconf danger.doveconf
