doctor -c good.conf --postconf forged.postconf --master good.master --doveconf forged.doveconf
