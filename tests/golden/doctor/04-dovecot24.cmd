doctor -c v24.conf --doveconf v24.doveconf
