from e4 import *
S=splits['test']; tt=T['test']
short={'sales_14d','trend','type_count','type_decayed','type_recency','brand_count','brand_decayed','brand_recency','type_share','price_ratio','age_days','idle_days'}
lean=[c for c in base if c not in short]
def both(n,d,cols,**kw):
    t=time.time(); b=ranking.boosting(d,cols,threads=1,**kw); pv=b.predict(tv[cols]); pt=b.predict(tt[cols])
    print(f'{n:40s} val %.4f %.4f'%ev(pv),' test %.4f %.4f'%ev(pt,tt,S),f'{time.time()-t:.0f}s',flush=True); return pv,pt
print('transformer val %.4f %.4f'%ev(tv.transformer),'test %.4f %.4f'%ev(tt.transformer,tt,S)); print('freq','test %.4f %.4f'%ev(tt.freq,tt,S),flush=True)
W=lambda n:pd.concat([T[f'w{k}'] for k in range(1,n+1)],ignore_index=True)
both('w1 all',W(1),base+rules+tr)
both('w1-3 lean+rules noTr',W(3),lean+rules)
both('w1-3 all noTr',W(3),base+rules)
both('val+w1 all',pd.concat([tv,T['w1']],ignore_index=True),base+rules+tr)
both('w1-3 lean+rules+Tr',W(3),lean+rules+tr)
both('w1-5 all Tr',W(5),base+rules+tr)
