doctor -c good.conf --postconf good.postconf --master good.master --doveconf good.doveconf
