doctor -c good.conf --postconf braces.postconf --master good.master --doveconf good.doveconf
