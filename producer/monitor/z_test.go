package monitor_test
import ("testing";"time";"runtime";"vedette/producer/monitor")
func TestZ(t *testing.T){ text:=[]byte(above+large(1_000_000)+below); s:=time.Now(); f,err:=monitor.Parse("x",text,monitor.Options{}); if err!=nil{t.Fatal(err)}; d:=time.Since(s); var m runtime.MemStats; runtime.ReadMemStats(&m); t.Log(d,len(f.Monitors),len(text)>>20,m.Sys>>20,m.HeapAlloc>>20); runtime.KeepAlive(f)}
